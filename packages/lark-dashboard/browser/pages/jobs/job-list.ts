/**
 * The jobs that a filter finds. The server searches all jobs and tells how far it is. After a page of found
 * jobs, it waits until somebody scrolls to the end of the list. A search that breaks off goes on at its last
 * step.
 */
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { FoundStep } from '../../../src/server/searches.ts'
import type { CallError } from '../../data/call.ts'
import { changed } from '../../data/changes.ts'
import { isSeen } from '../../data/clock.ts'
import { stale } from '../../data/live.ts'
import { hasReturned } from '../../data/route.ts'
import { search } from '../../data/search.ts'
import type { JobQuery } from './job-query.ts'

/** The number of rows of one page. */
const PAGE = 200
/** The most lists that are kept for the Back button. */
const KEPT = 10
/** Milliseconds between two searches for the first page, until somebody has scrolled to the list's end. */
const EVERY = 5_000
/** A search that looks at more jobs is repeated only when the viewer asks for it. */
const CHEAP = 2_000
/** Milliseconds until a search that broke off goes on. */
const AGAIN = 2_000

export type ListedJob = FoundStep['jobs'][number]

/** The name of a row. Two queues may have a job with the same id. */
export function nameOf({ id, queue }: { id: string; queue: string }): string {
  return `${queue} ${id}`
}

/** How far a search is. */
interface Progress {
  /** How many jobs it has looked at. */
  looked: number
  /** About how many jobs there are to look at. */
  of: number
}

/** What is known of a list. */
interface Known {
  jobs: readonly ListedJob[]
  cursor: string | undefined
  /** All jobs have been looked at. */
  isWhole: boolean
  progress: Progress
  /** The viewer has stopped the search. */
  isStopped: boolean
  /** The search has not come to the end of a page. */
  isOpen: boolean
}

const nothing: Known = {
  jobs: [],
  cursor: undefined,
  isWhole: false,
  progress: { looked: 0, of: 0 },
  isStopped: false,
  isOpen: true,
}

/** The lists that the viewer has left, by their questions. A change of the viewer makes them out of date. */
const left = new Map<string, Known>()
changed.subscribe(() => left.clear())

export interface JobList extends Omit<Known, 'cursor'> {
  problem: CallError | undefined
  isLoading: boolean
  /** Searching again costs so much that the page does not do so by itself. */
  isCostly: boolean
  /** Loads the next page. */
  more(): void
  /** Ends the search where it is. */
  stop(): void
  /** Goes on with a search that was stopped, or that failed. */
  goOn(): void
  /** Begins the search again. */
  again(): void
}

export function useJobList({ filter, order, problem: wrong }: JobQuery): JobList {
  const known = useSignal<Known>(nothing)
  const problem = useSignal<CallError | undefined>(undefined)
  const isLoading = useSignal(true)
  const running = useRef<AbortController | undefined>(undefined)
  const question = JSON.stringify([filter, order])

  /** @param from where the search goes on; `nothing` begins it, and the rows stay until there are new ones */
  const read = async (from: Known) => {
    if (wrong !== undefined) return
    running.current?.abort()
    const abort = new AbortController()
    running.current = abort
    isLoading.value = true
    const { looked } = from.progress
    let now: Known = { ...from, isStopped: false, isOpen: true }
    // A repeated search replaces the rows when it ends.
    const isAgain = from === nothing && known.peek().jobs.length > 0
    const input = { filter, order, limit: PAGE, ...(from.cursor !== undefined && { cursor: from.cursor }) }
    try {
      await search(input, abort.signal, (step) => {
        now = {
          ...now,
          jobs: [...now.jobs, ...step.jobs],
          cursor: step.cursor,
          isWhole: step.cursor === undefined,
          progress: { looked: looked + step.looked, of: Math.max(step.of, looked + step.looked) },
        }
        if (!isAgain && !abort.signal.aborted) known.value = now
      })
      if (abort.signal.aborted) return
      known.value = { ...now, isOpen: false }
      problem.value = undefined
    } catch (error) {
      if (abort.signal.aborted) return
      problem.value = error as CallError
    }
    isLoading.value = false
  }

  const goOn = () => void read(known.peek().cursor === undefined ? nothing : known.peek())

  const isFirstTime = useRef(true)
  useEffect(() => {
    const found = isFirstTime.current && hasReturned() ? left.get(question) : undefined
    isFirstTime.current = false
    known.value = found ?? nothing
    problem.value = undefined
    if (found === undefined) void read(nothing)
    else if (found.isOpen && !found.isStopped) goOn()
    else isLoading.value = false
    const timer = setInterval(() => {
      const { jobs, progress, isStopped } = known.peek()
      const isAtTop = jobs.length <= PAGE && window.scrollY < 200
      const isIdle = !isLoading.peek() && !isStopped && problem.peek() === undefined
      if (isAtTop && isIdle && isSeen.peek() && progress.looked <= CHEAP) void read(nothing)
    }, EVERY)
    return () => {
      clearInterval(timer)
      running.current?.abort()
      left.delete(question)
      left.set(question, known.peek())
      for (const [oldest] of left) if (left.size > KEPT) left.delete(oldest)
    }
  }, [question, wrong, changed.value])

  // Goes on when the server and the store answer again, and when the viewer comes back to the page.
  useSignalEffect(() => {
    if (problem.value === undefined || stale.value || !isSeen.value) return
    if (problem.value.code !== 'SERVER_UNREACHABLE' && !problem.value.code.startsWith('STORE_')) return
    const timer = setTimeout(goOn, AGAIN)
    return () => clearTimeout(timer)
  })

  const { cursor: _, ...shown } = known.value
  return {
    ...shown,
    problem: problem.value,
    isLoading: isLoading.value,
    isCostly: shown.progress.looked > CHEAP,
    more: () => {
      const { isWhole, isStopped } = known.peek()
      if (!isLoading.peek() && !isWhole && !isStopped && problem.peek() === undefined) goOn()
    },
    stop: () => {
      running.current?.abort()
      isLoading.value = false
      known.value = { ...known.peek(), isStopped: true }
    },
    goOn,
    again: () => {
      known.value = nothing
      void read(nothing)
    },
  }
}
