/**
 * A file system that does not report when a file was created. Node returns the time of the last change
 * instead.
 */
import { statSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Folder } from './folder.ts'

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>()
  const stat = (...args: Parameters<typeof fs.statSync>) => {
    const found = fs.statSync(...args)
    return found && Object.assign(found, { birthtimeMs: found.ctimeMs })
  }
  return { ...fs, statSync: stat }
})

test('a changed file still counts as the file that is open', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
  await using folder = await Folder.make()
  await using store = await folder.store()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(job())
  const before = statSync(folder.file).birthtimeMs
  await vi.waitFor(async () => {
    await chmod(folder.file, 0o600)
    expect(statSync(folder.file).birthtimeMs).toBeGreaterThan(before)
  })
  expect(await web.enqueue(job())).toEqual(['queued'])
  expect(await store.counts('emails')).toMatchObject({ waiting: 2 })
  expect(warn).not.toHaveBeenCalled()
})
