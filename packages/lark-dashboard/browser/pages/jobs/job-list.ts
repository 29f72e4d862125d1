/**
 * The jobs that a filter finds. The server searches all jobs and reports its progress. After a page of found
 * jobs, the search waits until the viewer scrolls to the end of the list. A search that breaks off continues
 * after its last step.
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
/** The maximum number of lists that are kept for the Back button. */
const KEPT = 10
/**
 * Milliseconds between two searches for the first page. When the viewer has scrolled to the end of the list,
 * the search is not repeated.
 */
const EVERY = 5_000
/** If a search looks at more jobs than this, it is repeated only when the viewer asks for it. */
const CHEAP = 2_000
/** Milliseconds until a search that broke off continues. */
const AGAIN = 2_000

export type ListedJob = FoundStep['jobs'][number]

/** The name of a row. Two queues may have a job with the same id. */
export function nameOf({ id, queue }: { id: string; queue: string }): string {
  return `${queue} ${id}`
}

/** The progress of a search. */
interface Progress {
  /** How many jobs the search has looked at. */
  looked: number
  /** About how many jobs there are to look at. */
  of: number
}

/** The state of a list. */
interface Known {
  jobs: readonly ListedJob[]
  cursor: string | undefined
  /** Whether the search has looked at all jobs. */
  isWhole: boolean
  progress: Progress
  /** Whether the viewer has stopped the search. */
  isStopped: boolean
  /** Whether the search has not found a whole page yet. */
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

/**
 * The lists that the viewer has left, by their questions. A change by the viewer removes these lists, because
 * they may be out of date.
 */
const left = new Map<string, Known>()
changed.subscribe(() => left.clear())

export interface JobList extends Omit<Known, 'cursor'> {
  problem: CallError | undefined
  isLoading: boolean
  /** Whether another search would cost so much that the page does not repeat the search by itself. */
  isCostly: boolean
  /** Loads the next page. */
  more(): void
  /** Stops the search. */
  stop(): void
  /** Continues a search that was stopped or has failed. */
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

  /**
   * @param from the list that the search continues. With `nothing`, the search begins again, and the rows
   * stay until new rows come
   */
  const read = async (from: Known) => {
    if (wrong !== undefined) return
    running.current?.abort()
    const abort = new AbortController()
    running.current = abort
    isLoading.value = true
    const { looked } = from.progress
    let now: Known = { ...from, isStopped: false, isOpen: true }
    // A repeated search replaces the rows only when it has ended.
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

  // Continues the search when the server and the store answer again, and when the viewer comes back to the
  // page.
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
