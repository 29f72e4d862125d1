/**
 * The counts beside the places: only where they mean trouble.
 */
import { computed, effect, signal } from '@preact/signals'
import type { FoundTroubles } from '../../src/server/look/troubles.ts'
import { look } from '../data/call.ts'
import { isSeen } from '../data/clock.ts'
import { healthOf } from '../data/health.ts'
import { snapshot } from '../data/live.ts'
import { plural } from '../parts/numbers.ts'

/** Milliseconds between two questions, while the page is seen. */
const EVERY = 5_000
/** Milliseconds after which a worker that should be heard every five seconds counts as silent. */
const SILENT = 15_000

export interface Trouble {
  count: number
  title: string
}

/** What the server finds beside the snapshots; undefined until it has answered. */
const found = signal<FoundTroubles | undefined>(undefined)

/** What no queue shows, as the server found it last. */
export const alarms = computed(() => found.value?.alarms ?? [])

/** How many workers are not heard of, as of the last snapshot. */
const silent = signal(0)
/**
 * By the id of each worker, what it said last of when it was heard, and since when it says that by the clock
 * of this browser: the clock of its host may be wrong. A worker of an earlier version does not say it.
 */
let heard: ReadonlyMap<string, { seenAt: number; at: number }> = new Map()
effect(() => {
  const at = Date.now()
  const before = heard
  heard = new Map(
    (snapshot.value?.workers ?? []).flatMap(({ id, seenAt }) => {
      const last = before.get(id)
      if (seenAt === undefined) return []
      return [[id, last?.seenAt === seenAt ? last : { seenAt, at }] as const]
    }),
  )
  silent.value = [...heard.values()].filter((worker) => at - worker.at > SILENT).length
})

export const troubles = computed<Readonly<Record<string, Trouble | undefined>>>(() => {
  const { queues, workerCount } = snapshot.value ?? { queues: [] }
  const sick = queues.filter((queue) => ['still', 'failing', 'late'].includes(healthOf(queue).kind)).length
  const failed = queues.reduce((sum, { lastHour }) => sum + lastHour.failed, 0)
  const { missed = 0, errors = 0 } = found.value ?? {}
  const counts: Record<string, Trouble> = {
    queues: { count: sick, title: `${plural(sick, 'queue')} that stand still, fail or are late` },
    failures: { count: failed, title: `${plural(failed, 'job')} failed for good in the last hour` },
    schedules: { count: missed, title: `${plural(missed, 'schedule')} with missed or late ticks` },
    workers:
      workerCount === 0
        ? { count: 1, title: 'No worker lives' }
        : {
            count: silent.value,
            title: `${plural(silent.value, 'worker')} not heard of for ${SILENT / 1_000} s`,
          },
    doctor: { count: errors, title: `${plural(errors, 'error')} that the doctor has found` },
  }
  return Object.fromEntries(Object.entries(counts).filter(([, { count }]) => count > 0))
})

/** Asks now, and again and again while the page is seen. */
export function watchTroubles(): void {
  let asked = Number.NEGATIVE_INFINITY
  const ask = () => {
    if (!isSeen.peek() || performance.now() - asked < EVERY) return
    asked = performance.now()
    look('troubles', {}).then(
      (answer) => {
        found.value = answer
      },
      // The bar at the top says what is wrong with the store or the server.
      () => {},
    )
  }
  setInterval(ask, EVERY)
  effect(() => {
    if (isSeen.value) ask()
  })
}
