import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { awaitUnderAbuse, PATIENCE } from './awaiting.ts'

test('results in a SQLite file are right while workers are killed', { timeout: PATIENCE }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  try {
    await awaitUnderAbuse({ connection: `sqlite:${join(folder, 'jobs.db')}` })
  } finally {
    await rm(folder, { recursive: true })
  }
})
