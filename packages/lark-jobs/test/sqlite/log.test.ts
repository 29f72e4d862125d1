/**
 * The write-ahead log shrinks after a peak.
 */
import { stat, utimes } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Folder } from './folder.ts'
import { open as openRaw } from './raw.ts'

const MIB = 1 << 20

test('writers shrink a log that grew because of a long read, and an idle process empties it', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const sizeOfLog = async () => (await stat(`${folder.file}-wal`)).size
  const web = new Caller(store, 'web', 'emails')
  const payload = JSON.stringify('x'.repeat(100_000))
  const reader = openRaw(folder.file)
  reader.exec('BEGIN; SELECT 1 FROM jobs LIMIT 1')
  for (let batch = 0; batch < 40; batch += 1)
    await web.enqueue(...Array.from({ length: 8 }, () => job({ payload })))
  expect(await sizeOfLog()).toBeGreaterThan(30 * MIB)
  reader.exec('COMMIT')
  reader.close()
  // One commit moves the log into the file, and the next one restarts the log.
  for (let more = 0; more < 2; more += 1) await web.enqueue(job())
  expect(await sizeOfLog()).toBeLessThan(16 * MIB)

  // Another process may still be writing.
  expect(await sizeOfLog()).toBeGreaterThan(MIB)
  await store.survey('ada', [])
  expect(await sizeOfLog()).toBeGreaterThan(MIB)
  const before = Date.now() / 1_000 - 2
  await utimes(`${folder.file}-wal`, before, before)
  await store.survey('ada', [])
  expect(await sizeOfLog()).toBeLessThan(MIB)
  expect(await store.counts('emails')).toMatchObject({ waiting: 322 })
})
