/**
 * The jobs that a filter finds. The next page is loaded when somebody scrolls to the end of the list. A page
 * may be short or empty without being the last one.
 */
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Output } from '../../data/call.ts'
import { type CallError, look } from '../../data/call.ts'
import { changed } from '../../data/changes.ts'
import { stale } from '../../data/live.ts'
import { hasReturned } from '../../data/route.ts'
import type { JobQuery } from './job-query.ts'

/** The number of rows of one page. */
const PAGE = 200
/** The most pages without a job that are loaded in a row before the viewer must ask for more. */
const PATIENCE = 10
/** The most lists that are kept for the Back button. */
const KEPT = 10
/** Milliseconds between two requests for the first page, until somebody has scrolled to the list's end. */
const EVERY = 5_000

export type ListedJob = Output<'jobs.list'>['jobs'][number]

/** The name of a row. Two queues may have a job with the same id. */
export function nameOf({ id, queue }: { id: string; queue: string }): string {
  return `${queue} ${id}`
}

/** A list as the viewer left it. */
interface LeftList {
  jobs: readonly ListedJob[]
  cursor: string | undefined
  isWhole: boolean
  scanned: number
}

/** The lists that the viewer has left, by their questions. A change of the viewer makes them out of date. */
const left = new Map<string, LeftList>()
changed.subscribe(() => left.clear())

export interface JobList {
  jobs: readonly ListedJob[]
  problem: CallError | undefined
  isLoading: boolean
  /** All jobs have been found. */
  isWhole: boolean
  /** How many jobs the server has read. */
  scanned: number
  more(): void
  /** Repeats the request that failed. */
  retry(): void
  again(): void
}

export function useJobList({ filter, order, problem: wrong }: JobQuery): JobList {
  const jobs = useSignal<readonly ListedJob[]>([])
  const problem = useSignal<CallError | undefined>(undefined)
  const isLoading = useSignal(true)
  const cursor = useSignal<string | undefined>(undefined)
  const isWhole = useSignal(false)
  const scanned = useSignal(0)
  const running = useRef<AbortController | undefined>(undefined)
  const question = JSON.stringify([filter, order])

  const read = async (isFirst: boolean) => {
    if (wrong !== undefined) return
    running.current?.abort()
    const abort = new AbortController()
    running.current = abort
    isLoading.value = true
    try {
      let found: readonly ListedJob[] = isFirst ? [] : jobs.value
      let looked = isFirst ? 0 : scanned.value
      let from = isFirst ? undefined : cursor.value
      const before = found.length
      for (let empty = 0; empty < PATIENCE; empty++) {
        const input = { filter, order, limit: PAGE, ...(from !== undefined && { cursor: from }) }
        const page = await look('jobs.list', input, abort.signal)
        found = [...found, ...page.jobs]
        looked += page.scanned
        from = page.cursor
        if (from === undefined || found.length > before) break
      }
      jobs.value = found
      scanned.value = looked
      cursor.value = from
      isWhole.value = from === undefined
      problem.value = undefined
    } catch (error) {
      if (abort.signal.aborted) return
      problem.value = error as CallError
    }
    isLoading.value = false
  }

  const isFirstTime = useRef(true)
  useEffect(() => {
    const found = isFirstTime.current && hasReturned() ? left.get(question) : undefined
    isFirstTime.current = false
    jobs.value = found?.jobs ?? []
    isWhole.value = found?.isWhole ?? false
    scanned.value = found?.scanned ?? 0
    cursor.value = found?.cursor
    if (found === undefined) void read(true)
    else isLoading.value = false
    const timer = setInterval(() => {
      const isAtTop = jobs.peek().length <= PAGE && window.scrollY < 200
      if (isAtTop && !document.hidden && !isLoading.peek()) void read(true)
    }, EVERY)
    return () => {
      clearInterval(timer)
      running.current?.abort()
      left.delete(question)
      left.set(question, {
        jobs: jobs.peek(),
        cursor: cursor.peek(),
        isWhole: isWhole.peek(),
        scanned: scanned.peek(),
      })
      for (const [oldest] of left) if (left.size > KEPT) left.delete(oldest)
    }
  }, [question, wrong, changed.value])

  const retry = () => void read(cursor.peek() === undefined)
  // Repeats the failed request when the store is back.
  useSignalEffect(() => {
    if (!stale.value && problem.peek() !== undefined) retry()
  })

  return {
    jobs: jobs.value,
    problem: problem.value,
    isLoading: isLoading.value,
    isWhole: isWhole.value,
    scanned: scanned.value,
    more: () => {
      if (!isLoading.peek() && !isWhole.peek() && problem.peek() === undefined) void read(false)
    },
    retry,
    again: () => void read(true),
  }
}
