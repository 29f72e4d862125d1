/**
 * Starts a worker process: with its station, a channel to talk on, and the pipe that is its lifeline.
 *
 * Its stderr is the supervisor's own. So is its stdout, if that is a terminal. Else the supervisor passes on what it
 * prints, in whole lines: of several processes that write to a pipe whose reader is slow, each could write half of one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { PROCESS_SLOT, type ProcessSlot } from './supervision.ts'

const NEWLINE = 10

/** @param file a program that runs a worker when it is called with `words` */
export function startProcess(file: string, words: readonly string[], slot: ProcessSlot): ChildProcess {
  const { env, stdout } = process
  const child = fork(file, words, {
    env: { ...env, [PROCESS_SLOT]: JSON.stringify(slot) },
    // The fifth is the lifeline.
    stdio: ['ignore', stdout.isTTY ? 'inherit' : 'pipe', 'inherit', 'ipc', 'pipe'],
  })
  // Undefined when there was no more room for a process.
  if (child.stdout) passOn(child, child.stdout, stdout)
  return child
}

/**
 * Reads no faster than is written, as long as the process lives: then there is only a little left, and its end must
 * not wait. A reader that has gone away (`| head`) is nothing to wait for.
 */
function passOn(child: ChildProcess, from: Readable, to: Writable): void {
  const rest: Buffer[] = []
  from.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(NEWLINE) + 1
    if (end > 0) {
      if (child.exitCode === null && child.signalCode === null) from.pause()
      to.write(Buffer.concat([...rest.splice(0), chunk.subarray(0, end)]), () => from.resume())
    }
    if (end < chunk.length) rest.push(chunk.subarray(end))
  })
  child.once('exit', () => from.resume())
  // A process that was killed may have begun a line.
  from.once('end', () => {
    if (rest.length > 0) to.write(Buffer.concat([...rest, Buffer.from('\n')]))
  })
}
