/**
 * Receives the stream of the server while the page is visible. Each second, the stream brings a snapshot of
 * the store, or the time since which the store has not answered. It also brings everything that the job on
 * the page writes.
 */
import { computed, effect, signal } from '@preact/signals'
import type { Away, Snapshot } from '../../src/server/look/live.ts'
import { isSeen, now } from './clock.ts'
import { readEvents } from './events.ts'
import { report, stream } from './followed.ts'
import { meetViewer } from './viewer.ts'

/** Milliseconds after which the shown data count as old. */
const OLD = 3_000
/** Milliseconds until the browser requests the stream again after it has ended. */
const AGAIN = 2_000

/** The last snapshot, even while the store does not answer. */
export const snapshot = signal<Snapshot | undefined>(undefined)
/** Since when the store has not answered, and why. Undefined while the store answers. */
export const away = signal<Away | undefined>(undefined)
/**
 * The time at which the server stopped answering, by the clock of this browser. Undefined while the server
 * answers.
 */
export const cutOff = signal<number | undefined>(undefined)
/** Whether the data on the page are old, because the store or the server does not answer. */
export const stale = computed(() => away.value !== undefined || cutOff.value !== undefined)
/** The time at which the last snapshot was taken, by the clock of this browser. */
const heardAt = signal<number | undefined>(undefined)

/** The age of the data on the page, in milliseconds. Undefined while the data are not too old. */
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
 * Asks for the stream again whenever it has ended, for example because the server has restarted or the
 * viewer's rights have changed.
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
    // A slow store may have read its data at any time after the question, so the earliest possible time
    // counts.
    heardAt.value = Date.now() - taken.took
    now.value = Date.now()
  }
  if (event !== 'job') cutOff.value = undefined
}
