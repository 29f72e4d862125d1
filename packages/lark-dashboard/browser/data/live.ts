/**
 * What the server says while the page is seen: each second the snapshot of the store, or since when the store is away; and
 * what the job on the page writes.
 */
import { computed, effect, signal } from '@preact/signals'
import type { Away, Snapshot } from '../../src/server/live.ts'
import { isSeen, now } from './clock.ts'
import { report, stream } from './followed.ts'
import { meetViewer } from './viewer.ts'

/** Milliseconds after which what is shown counts as old. */
const OLD = 3_000
/** Milliseconds until a stream that has ended is asked for again. */
const AGAIN = 2_000

/** The last snapshot, also while the store is away. */
export const snapshot = signal<Snapshot | undefined>(undefined)
/** The store does not answer. */
export const away = signal<Away | undefined>(undefined)
/** The server does not answer: since when, by the clock of this browser. */
export const cutOff = signal<number | undefined>(undefined)
/** What is shown is not of now: the store or the server does not answer. */
export const stale = computed(() => away.value !== undefined || cutOff.value !== undefined)
/** When the last snapshot was taken, by the clock of this browser. */
const heardAt = signal<number | undefined>(undefined)

/** How old what is shown is, in milliseconds; undefined while it is fresh. */
export const age = computed(() => {
  if (heardAt.value === undefined) return undefined
  const old = now.value - heardAt.value
  return old > OLD ? old : undefined
})

export function listenLive(): void {
  let source: EventSource | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const close = () => {
    clearTimeout(timer)
    source?.close()
    source = undefined
  }
  const listen = (path: string) => {
    close()
    source = open(path, () => {
      void meetViewer()
      clearTimeout(timer)
      timer = setTimeout(() => listen(path), AGAIN)
    })
  }
  effect(() => {
    const path = stream.value
    if (isSeen.value) listen(path)
    else close()
  })
}

/** @param onEnd the browser has given up: after an answer that is no stream, such as one of a proxy whose server restarts */
function open(path: string, onEnd: () => void): EventSource {
  const source = new EventSource(path)
  source.addEventListener('snapshot', ({ data }) => {
    const taken = JSON.parse(data) as Snapshot
    snapshot.value = taken
    away.value = undefined
    cutOff.value = undefined
    // A slow store answered with what was true when it was asked, or later.
    heardAt.value = Date.now() - taken.took
    now.value = Date.now()
  })
  source.addEventListener('away', ({ data }) => {
    away.value = JSON.parse(data) as Away
    cutOff.value = undefined
  })
  source.addEventListener('job', ({ data }) => {
    report.value = JSON.parse(data)
  })
  source.addEventListener('error', () => {
    cutOff.value ??= Date.now()
    if (source.readyState === EventSource.CLOSED) onEnd()
  })
  return source
}
