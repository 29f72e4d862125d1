/**
 * This folder has more than 25 files: one for each property of a file, a disk or an SQLite library that
 * affects a store.
 */
import { rm, writeFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Bell } from '../../src/store/sqlite/bell.ts'
import { Folder } from './folder.ts'

/** The test moves the clock. Events of the file watch come in real time. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/**
 * Makes a caller that waits for the bell (the file whose change notifies callers), and counts how often the
 * caller checks the store.
 */
function sleeper(bell: Bell) {
  let found: string[] = []
  const self = {
    looks: 0,
    waiting: undefined as Promise<string[]> | undefined,
    wait() {
      self.looks = 0
      found = []
      self.waiting = bell.wait('ada', 600_000, undefined, async () => {
        self.looks += 1
        return found
      })
    },
    came() {
      found = ['emails']
    },
    /** @returns how often the caller checked the store within `ms` milliseconds */
    async looksWithin(ms: number) {
      const before = self.looks
      await vi.advanceTimersByTimeAsync(ms)
      return self.looks - before
    },
    async looked(times: number) {
      while (self.looks < times) await turn()
    },
  }
  return self
}

test('a waiting caller checks the store rarely while the file watch works, and often after the watch has missed a notification', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, '')
  const bell = new Bell('jobs', folder.file)
  const web = new Bell('jobs', folder.file)
  const ada = sleeper(bell)
  ada.wait()
  // The caller checks a second time because the watch has reported a notification to this caller.
  await ada.looked(2)
  expect(await ada.looksWithin(1_000)).toBe(0)
  // A notification that nobody reads for a second may go to another caller.
  expect(await ada.looksWithin(1_000)).toBe(1)
  expect(await ada.looksWithin(60_000)).toBeLessThanOrEqual(30)

  ada.came()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await ada.waiting).toEqual(['emails'])
  ada.wait()
  await ada.looked(1)
  expect(await ada.looksWithin(1_000)).toBe(4)

  web.ring(['ada'])
  await ada.looked(6)
  expect(await ada.looksWithin(1_000)).toBe(0)
  bell.close()
  web.close()
  expect(await ada.waiting).toEqual([])
})

test('a waiting caller checks the store often if there is no file to watch', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, '')
  const bell = new Bell('jobs', folder.file)
  // Remove the file of the bell.
  await rm(`${folder.file}-bell`)
  const ada = sleeper(bell)
  ada.wait()
  await ada.looked(1)
  expect(await ada.looksWithin(1_000)).toBe(4)
  ada.came()
  await vi.advanceTimersByTimeAsync(250)
  expect(await ada.waiting).toEqual(['emails'])
  bell.close()
})
