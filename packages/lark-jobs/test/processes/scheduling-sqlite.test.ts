import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { deployInTurns, tickUnderAbuse } from './scheduling.ts'

async function inFile(work: (connection: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  try {
    await work(`sqlite:${join(folder, 'jobs.db')}`)
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('schedules in a SQLite file', { timeout: 300_000, concurrent: true }, () => {
  // The processes of one machine have one clock.
  test('schedules tick while workers are killed', () =>
    inFile((connection) => tickUnderAbuse({ connection }, [0, 0, 0])))
  test('schedules tick while two deploys take turns', () =>
    inFile((connection) => deployInTurns({ connection })))
})
