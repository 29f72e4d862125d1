/**
 * Before each test file, timers are real. After it, no handle may be open that keeps a process alive, and the
 * environment must be unchanged, because the next file may run in the same process. (`servers.ts` checks that
 * the whole run leaves no process and no folder behind.)
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
  // With a fake timer, this file would wait for ever. A spy on a fake timer puts the fake back when Vitest
  // restores the spy, and this happens only after the file that forgot to restore it.
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
  // Node shows the handles themselves only to this undocumented function.
  const handles = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles()
  return handles.map((handle) => {
    if (handle instanceof Socket)
      return `socket ${handle.localPort} to ${handle.remoteAddress}:${handle.remotePort}`
    if (handle instanceof ChildProcess) return `process ${handle.pid}: ${handle.spawnargs.join(' ')}`
    return handle.constructor.name
  })
}
