import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeDashboard } from './suite.ts'

describeDashboard(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  return {
    config: { connection: `sqlite:${join(folder, 'jobs.db')}` },
    remove: () => rm(folder, { recursive: true }),
  }
}, true)
