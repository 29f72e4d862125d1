/**
 * What the server sends while the page is visible: each second the snapshot of the store, or since when the
 * store is away; and what the job on the page writes.
 */
import { computed, effect, signal } from '@preact/signals'
import type { Away, Snapshot } from '../../src/server/look/live.ts'
import { isSeen, now } from './clock.ts'
import { readEvents } from './events.ts'
import { report, stream } from './followed.ts'
import { meetViewer } from './viewer.ts'

/** Milliseconds after which what is shown counts as old. */
const OLD = 3_000
/** Milliseconds until a stream that has ended is asked for again. */
const AGAIN = 2_000

/** The last snapshot, even while the store is away. */
export const snapshot = signal<Snapshot | undefined>(undefined)
/** The store does not answer. */
export const away = signal<Away | undefined>(undefined)
/** The server does not answer: since when, by the clock of this browser. */
export const cutOff = signal<number | undefined>(undefined)
/** The data on the page are old, because the store or the server does not answer. */
export const stale = computed(() => away.value !== undefined || cutOff.value !== undefined)
/** When the last snapshot was taken, by the clock of this browser. */
const heardAt = signal<number | undefined>(undefined)

/** The age of the data on the page, in milliseconds; undefined while they are fresh. */
export const age = computed(() => {
  if (heardAt.value === undefined) return undefined
  const old = now.value - heardAt.value
  return old > OLD ? old : undefined
})

export function listenLive(): void {
  let listening: AbortController | undefined
  effect(() => {
    const path = stream.value
    listening?.abort()
    listening = new AbortController()
    if (isSeen.value) void keepListening(path, listening.signal)
  })
}

/**
 * Asks for the stream again when it has ended: the server has restarted, for example, or the viewer has other
 * rights.
 */
async function keepListening(path: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    await readEvents(path, signal, heard).catch(() => {})
    if (signal.aborted) return
    cutOff.value ??= Date.now()
    void meetViewer()
    await new Promise((resolve) => setTimeout(resolve, AGAIN))
    if (signal.aborted) return
  }
}

function heard(event: string, data: string): void {
  if (event === 'job') report.value = JSON.parse(data)
  else if (event === 'away') away.value = JSON.parse(data) as Away
  else if (event === 'snapshot') {
    const taken = JSON.parse(data) as Snapshot
    snapshot.value = taken
    away.value = undefined
    // The answer of a slow store is from the moment when it was asked, or later.
    heardAt.value = Date.now() - taken.took
    now.value = Date.now()
  }
  if (event !== 'job') cutOff.value = undefined
}
