/**
 * The node or member of a flow whose handler is running. With this information, a handler that awaits its own
 * flow is refused, because such a handler would wait for ever.
 *
 * An `AsyncLocalStorage` slows down every promise of a process a little. So it is created only when the
 * process runs a member for the first time.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Member, memberOf } from '../effect.ts'

const slot = Symbol.for('s18i.lark.member')
/** All copies of this package in the process share this `AsyncLocalStorage`. */
const everywhere = globalThis as { [slot]?: AsyncLocalStorage<Member> }

/** Calls a function as the run of a job. @param id the id of the job, which need not belong to a flow */
export function inRunOf<A extends unknown[]>(id: string, act: (...args: A) => void, ...args: A): void {
  // Most ids have no colon. The search for a colon is faster than the pattern.
  const member = id.includes(':') ? memberOf(id) : undefined
  if (member === undefined) act(...args)
  else {
    everywhere[slot] ??= new AsyncLocalStorage()
    everywhere[slot].run(member, act, ...args)
  }
}

/** The node or member whose handler is calling. Undefined outside the jobs of flows. */
export function currentMember(): Member | undefined {
  return everywhere[slot]?.getStore()
}
