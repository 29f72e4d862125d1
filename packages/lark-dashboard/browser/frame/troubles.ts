/** The counts beside the names of pages. A count is shown only if it means a problem. */
import { computed, effect, signal } from '@preact/signals'
import type { FoundTroubles } from '../../src/server/look/troubles.ts'
import { look } from '../data/call.ts'
import { isSeen } from '../data/clock.ts'
import { healthOf } from '../data/health.ts'
import { snapshot } from '../data/live.ts'
import { plural } from '../parts/numbers.ts'

/** Milliseconds between two requests while the page is visible. */
const EVERY = 5_000
/** Milliseconds after which a worker that should announce itself every five seconds counts as silent. */
const SILENT = 15_000

export interface Trouble {
  count: number
  title: string
}

/**
 * The problems that the page asks the server for, because the snapshots that the server sends each second do
 * not contain them. Undefined until the server has answered.
 */
const found = signal<FoundTroubles | undefined>(undefined)

/** What stands still or fails according to the last answer of the server, the worst first. */
export const incidents = computed(() => found.value?.incidents ?? [])

/** The changes at a pace that go on or are paused, and those that have ended by themselves within a day. */
export const slowChanges = computed(() => found.value?.changes ?? [])

/** How many workers are silent, in the last snapshot. */
const silent = signal(0)
/**
 * For each worker, by id: the time of its last announcement (`seenAt`, by the clock of its host, which may be
 * wrong), and when this browser first saw this announcement (`at`). A worker of an earlier version of Lark
 * does not report the time.
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
  const sick = queues.filter((queue) =>
    ['still', 'failing', 'retrying', 'late'].includes(healthOf(queue).kind),
  ).length
  const failed = queues.reduce((sum, { lastHour }) => sum + lastHour.failed, 0)
  const { missed = 0, errors = 0 } = found.value ?? {}
  const halted = slowChanges.value.filter(({ state }) => state === 'failing' || state === 'error').length
  const counts: Record<string, Trouble> = {
    queues: { count: sick, title: `${plural(sick, 'queue')} that stand still, fail or are late` },
    failures: { count: failed, title: `${plural(failed, 'job')} failed for good in the last hour` },
    changes: { count: halted, title: `${plural(halted, 'change')} that ended by itself within a day` },
    schedules: { count: missed, title: `${plural(missed, 'schedule')} with missed or late ticks` },
    workers:
      workerCount === 0
        ? { count: 1, title: 'No worker is alive' }
        : {
            count: silent.value,
            title: `${plural(silent.value, 'worker')} not heard of for ${SILENT / 1_000} s`,
          },
    doctor: { count: errors, title: `${plural(errors, 'error')} that the doctor has found` },
  }
  return Object.fromEntries(Object.entries(counts).filter(([, { count }]) => count > 0))
})

/** Asks the server now, and then at an interval while the page is visible. */
export function watchTroubles(): void {
  let asked = Number.NEGATIVE_INFINITY
  const ask = () => {
    if (!isSeen.peek() || performance.now() - asked < EVERY) return
    asked = performance.now()
    look('troubles', {}).then(
      (answer) => {
        found.value = answer
      },
      // An error is ignored here, because the bar at the top shows what is wrong with the store or the
      // server.
      () => {},
    )
  }
  setInterval(ask, EVERY)
  effect(() => {
    if (isSeen.value) ask()
  })
}
