import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { listenUnderAbuse } from './listening.ts'

test('no event of a SQLite file is lost or repeated while workers are killed', {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  try {
    await listenUnderAbuse({ connection: `sqlite:${join(folder, 'jobs.db')}` })
  } finally {
    await rm(folder, { recursive: true })
  }
})
