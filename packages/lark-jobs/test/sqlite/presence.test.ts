/**
 * A file that is moved or deleted while a process has it open.
 */
import { rename, rm } from 'node:fs/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { Folder } from './folder.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Lets a process believe that so much time has passed. */
function skip(ms: number): void {
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + ms)
}

test('moved away, it is used no more: jobs would go where nobody looks', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(...jobs(2))
  await rename(folder.file, `${folder.file}.old`)
  skip(1_001)
  const gone = {
    code: 'STORE_UNREACHABLE',
    message: `sqlite:${folder.file} was moved or deleted while this process had it open`,
    hint: expect.stringContaining('Start the process again'),
  }
  await expect(web.enqueue(job())).rejects.toMatchObject(gone)
  await expect(store.counts('emails')).rejects.toMatchObject(gone)
  await rename(`${folder.file}.old`, folder.file)
  expect(await web.enqueue(job())).toEqual(['queued'])
})

test('deleted with its log and made anew by another, it is not taken for the old one', async () => {
  await using folder = await Folder.make()
  await using old = await folder.store()
  for (const file of [folder.file, `${folder.file}-wal`, `${folder.file}-shm`]) await rm(file)
  await using fresh = await folder.store()
  await new Caller(fresh, 'web', 'emails').enqueue(job())
  skip(1_001)
  await expect(old.counts('emails')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  expect(await fresh.counts('emails')).toMatchObject({ waiting: 1 })
})

test('where only its log is left, no new one is made: it would share the log of the old one', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(...jobs(2))
  await rename(folder.file, `${folder.file}.old`)
  await expect(folder.store()).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: `sqlite:${folder.file} is gone, but ${folder.file}-wal and ${folder.file}-shm are still there`,
    hint: expect.stringContaining('remove these as well'),
  })
  await rename(`${folder.file}.old`, folder.file)
  await using again = await folder.store()
  expect(await again.counts('emails')).toMatchObject({ waiting: 2 })
})

test('a store in memory has no file that could go', async () => {
  await using folder = await Folder.make()
  await using store = folder.inMemory()
  await store.open()
  skip(1_001)
  expect(await new Caller(store, 'web', 'emails').enqueue(job())).toEqual(['queued'])
})
