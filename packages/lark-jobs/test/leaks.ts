/**
 * After each file of tests: nothing may be left open that keeps a process alive. (That no process and no folder is
 * left behind by the whole run, `servers.ts` sees to.)
 */
import { afterAll, beforeAll, expect } from 'vitest'

const watched = ['FSEventWrap', 'PipeWrap', 'ProcessWrap', 'TCPServerWrap', 'TCPSocketWrap', 'TLSWrap']

function open(): string[] {
  return process.getActiveResourcesInfo().filter((name) => watched.includes(name))
}

let before: string[] = []
beforeAll(() => {
  before = open()
})

afterAll(async () => {
  // A handle that is being closed is gone a turn or two of the loop later.
  for (let turn = 0; turn < 200 && open().length > before.length; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(open(), 'handles left open by this file').toEqual(before)
})
