/**
 * Makes a change, and waits until it has ended. If the change takes long, the server answers with an id, and
 * the browser uses the id to ask for the progress.
 */
import { signal } from '@preact/signals'
import type { ActionName } from '../../src/server/actions.ts'
import { CallError, type Input, look, type Output, send } from './call.ts'
import { isSeen } from './clock.ts'

/** Milliseconds between two requests for the progress. */
const EVERY = 500

/** A change that is still going on. */
export interface GoingOn {
  id: string
  /** How many jobs were changed, and how many were found so far. */
  done: number
  found: number
  /** Whether the viewer has asked to stop the change. */
  isEnding: boolean
}

export const goingOn = signal<readonly GoingOn[]>([])

/** @throws CallError */
export async function change<Name extends ActionName>(name: Name, input: Input<Name>): Promise<Output<Name>> {
  const answer = await send<Output<Name> | { underway: string }>(name, input as object)
  const id = (answer as { underway?: unknown } | null)?.underway
  return typeof id === 'string' ? ((await end(id)) as Output<Name>) : (answer as Output<Name>)
}

/** Stops a change that is going on. Jobs that are already changed stay changed. */
export function stop(id: string): void {
  note(id, { isEnding: true })
  send('underway.end', { underway: id }).catch(() => note(id, { isEnding: false }))
}

async function end(id: string): Promise<unknown> {
  goingOn.value = [...goingOn.value, { id, done: 0, found: 0, isEnding: false }]
  try {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, EVERY))
      if (!isSeen.peek()) continue
      const progress = await look('underway', { underway: id }).catch((error: CallError) => {
        // A server that cannot be reached for a moment goes on with the change, so the browser asks again.
        if (error.code === 'SERVER_UNREACHABLE') return undefined
        throw error
      })
      if (progress === undefined) continue
      const { done, found, answer, error } = progress
      if (error !== undefined) throw new CallError(error.code, error.message)
      if (answer !== undefined) return answer
      note(id, { done, found })
    }
  } finally {
    goingOn.value = goingOn.value.filter((each) => each.id !== id)
  }
}

function note(id: string, news: Partial<GoingOn>): void {
  goingOn.value = goingOn.value.map((each) => (each.id === id ? { ...each, ...news } : each))
}
