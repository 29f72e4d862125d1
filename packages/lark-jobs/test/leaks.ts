/**
 * After each test file, nothing may be open that keeps a process alive. (`servers.ts` checks that the whole run leaves
 * no process and no folder behind.)
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
  // A handle that is being closed disappears after one or two turns of the event loop.
  for (let turn = 0; turn < 200 && open().length > before.length; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(open(), 'handles left open by this file').toEqual(before)
})
