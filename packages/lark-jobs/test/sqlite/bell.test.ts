/**
 * This folder has more than 25 files: one for each way in which a file, its disk or its driver can affect a
 * store.
 */
import { rm, writeFile } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Bell } from '../../src/store/sqlite/bell.ts'
import { Folder } from './folder.ts'

/** The test moves the clock. Reports of the file watch come in real time. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A caller that waits on a bell, and counts how often it checks the store. */
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

test('checks rarely while the file watch works, and often after the watch has missed a ring', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, '')
  const bell = new Bell('jobs', folder.file)
  const web = new Bell('jobs', folder.file)
  const ada = sleeper(bell)
  ada.wait()
  // The second check comes after a ring to the caller itself, which the watch has reported.
  await ada.looked(2)
  expect(await ada.looksWithin(1_000)).toBe(0)
  // A ring that is not heard for a second may go to another caller.
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

test('checks often if there is no file to watch', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, '')
  const bell = new Bell('jobs', folder.file)
  // Somebody has removed the bell.
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
