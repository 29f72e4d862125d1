/**
 * Checks before each test file that timers are real, and after the file that no handle is open that would
 * keep the process alive, and that the environment is unchanged, because the next file may run in the same
 * process. (`servers.ts` checks that the whole run leaves no process and no folder behind.)
 */
import { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import timers from 'node:timers'
import { afterAll, beforeAll, expect, vi } from 'vitest'

const watched = ['FSEventWrap', 'PipeWrap', 'ProcessWrap', 'TCPServerWrap', 'TCPSocketWrap', 'TLSWrap']

function open(): string[] {
  return process.getActiveResourcesInfo().filter((name) => watched.includes(name))
}

let before: string[] = []
beforeAll(() => {
  // With a fake timer, this file would wait for ever. If an earlier file has made a spy on a fake timer,
  // Vitest installs the fake timer again when it restores the spy, which may be after the end of that file.
  expect(globalThis.setTimeout, 'an earlier file of this process has left a fake timer').toBe(
    timers.setTimeout,
  )
  before = open()
})

afterAll(async () => {
  vi.unstubAllEnvs()
  // A handle that is being closed disappears after a few turns of the event loop, or later on a busy machine.
  for (let turn = 0; turn < 2_000 && open().length > before.length; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(open(), `handles left open by this file: ${described().join(', ')}`).toEqual(before)
})

/** The open sockets, servers and processes, for the search for the leak. */
function described(): string[] {
  // Only this undocumented function of Node returns the handles themselves.
  const handles = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles()
  return handles.map((handle) => {
    if (handle instanceof Socket)
      return `socket ${handle.localPort} to ${handle.remoteAddress}:${handle.remotePort}`
    if (handle instanceof ChildProcess) return `process ${handle.pid}: ${handle.spawnargs.join(' ')}`
    return handle.constructor.name
  })
}
