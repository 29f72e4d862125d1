/**
 * Asks the server a question for a page. The question is asked again when it changes, and at an interval
 * while the page is visible. The last answer stays until a newer answer comes.
 */
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { ActionName } from '../../src/server/actions.ts'
import { type CallError, type Input, look, type Output } from './call.ts'
import { changed } from './changes.ts'
import { isSeen } from './clock.ts'
import { stale } from './live.ts'

export interface Asked<T> {
  /** The last answer. */
  data: T | undefined
  /** Why the last question had no answer. */
  problem: CallError | undefined
  /** The time at which the answer came, by the clock of this browser. */
  at: number | undefined
  /** Asks at once. */
  again(): void
}

/** @param every the interval in milliseconds. If undefined, the question is asked only once */
export function useAsked<Name extends ActionName>(
  name: Name,
  input: Input<Name>,
  every?: number,
): Asked<Output<Name>> {
  const data = useSignal<Output<Name> | undefined>(undefined)
  const problem = useSignal<CallError | undefined>(undefined)
  const at = useSignal<number | undefined>(undefined)
  const question = JSON.stringify([name, input])
  const asking = useRef<{ question: string; again: () => void }>({ question: '', again: () => {} })

  useEffect(() => {
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = async () => {
      clearTimeout(timer)
      if (isSeen.peek()) {
        try {
          const answer = await look(name, input, abort.signal)
          data.value = answer
          problem.value = undefined
          at.value = Date.now()
        } catch (error) {
          if (abort.signal.aborted) return
          problem.value = error as CallError
        }
      }
      if (every !== undefined && !abort.signal.aborted) timer = setTimeout(ask, every)
    }
    if (asking.current.question !== question) {
      // The answer to an earlier question must not be shown as the answer to this one.
      if (asking.current.question !== '') data.value = undefined
      problem.value = undefined
      asking.current.question = question
    }
    asking.current.again = () => void ask()
    void ask()
    return () => {
      abort.abort()
      clearTimeout(timer)
    }
  }, [question, every])

  // Asks again after each change by this viewer.
  const changes = useRef(changed.peek())
  useSignalEffect(() => {
    if (changed.value === changes.current) return
    changes.current = changed.value
    asking.current.again()
  })

  // Asks again when the viewer comes back to the page.
  useSignalEffect(() => {
    if (isSeen.value && every !== undefined) asking.current.again()
  })

  // Asks a failed question again when the server and the store answer again.
  useSignalEffect(() => {
    if (!stale.value && problem.peek() !== undefined) asking.current.again()
  })

  return { data: data.value, problem: problem.value, at: at.value, again: () => asking.current.again() }
}
