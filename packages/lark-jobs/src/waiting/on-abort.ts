/**
 * Calls functions when a signal is aborted. One signal may end a thousand waits, and Node warns about a leak
 * if a signal has more than ten listeners. So each signal gets one listener for all waits.
 */
import type { AbortSignalLike } from './abort-signal.ts'

interface AbortListener {
  /** The functions to call, one for each wait. */
  leaves: Set<() => void>
  listener: () => void
}

const waiting = new WeakMap<AbortSignalLike, AbortListener>()

/**
 * Calls `leave` as soon as the signal is aborted, or at once if the signal is already aborted.
 *
 * @param leave a function that is used for this wait only
 * @returns a function that removes `leave` again
 */
export function onAbort(signal: AbortSignalLike, leave: () => void): () => void {
  if (signal.aborted) {
    leave()
    return () => {}
  }
  const { leaves, listener } = waiting.get(signal) ?? listen(signal)
  leaves.add(leave)
  return () => {
    leaves.delete(leave)
    if (leaves.size > 0 || waiting.get(signal)?.leaves !== leaves) return
    signal.removeEventListener('abort', listener)
    waiting.delete(signal)
  }
}

function listen(signal: AbortSignalLike): AbortListener {
  const leaves = new Set<() => void>()
  const listener = () => {
    for (const leave of [...leaves]) leave()
  }
  signal.addEventListener('abort', listener, { once: true })
  const all = { leaves, listener }
  waiting.set(signal, all)
  return all
}
