/**
 * A look at a store that all who ask share: scrapes and health checks may come as often as they like, and the
 * store is asked at most once a second.
 */

import { JobsError } from '../model/errors.ts'
import { type Alarms, lookForAlarms } from '../operate/findings/alarms.ts'
import type { DoctorFinding, FindingCode, FindingLevel } from '../operate/findings/finding.ts'
import { type Measurement, measure } from '../operate/measures/measurement.ts'
import type { Operated } from '../operate/operated.ts'
import type { OutboxBacklog } from '../outbox/outbox-database.ts'
import { inTime } from '../waiting/bounded-wait.ts'

/** Milliseconds for which a look is shared. */
const SHARED = 1_000
/** Milliseconds for which what the doctor finds is shared: there may be thousands of schedules. */
const FOUND = 5_000
/** Milliseconds for which an examination is shared: it looks at the next jobs of each queue. */
const EXAMINED = 30_000
/** Milliseconds that a look may take. A prober gives up after ten seconds. */
const PATIENCE = 5_000

/** The states of jobs that a partition counts. */
export const counted = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const

export interface Look extends Measurement {
  /** Milliseconds that the oldest job of a queue should wait at most, as configured. */
  targets: ReadonlyMap<string, number>
  /** What the doctor finds of the store and its schedules, also what is well: at most five seconds old. */
  findings: readonly DoctorFinding[]
  /** The rows of the outbox, at most five seconds old. Missing: there is none that can be read. */
  outbox?: OutboxBacklog
}

interface SharedLook<T> {
  at: number
  look: Promise<T>
}

const looks = new WeakMap<Operated, SharedLook<Look>>()
const found = new WeakMap<Operated, SharedLook<Alarms>>()
const examined = new WeakMap<Operated, SharedLook<DoctorFinding[]>>()

/** How many findings of the doctor have a code and a level. 0: what was looked for is well. */
export interface FindingCount {
  code: FindingCode
  severity: Exclude<FindingLevel, 'ok'>
  count: number
}

/** @throws what the store throws; STORE_UNREACHABLE if it does not answer in time */
export function lookAt(jobs: Operated): Promise<Look> {
  return shared(looks, jobs, SHARED, () =>
    inTime(PATIENCE, lookAnew(jobs), () => {
      throw new JobsError('STORE_UNREACHABLE', `The store has not answered for ${PATIENCE / 1_000} s`)
    }),
  )
}

/**
 * What the doctor finds, counted, at most half a minute old. None while it looks for longer than a scrape may
 * wait, and if it cannot look: no other metric is held up.
 */
export async function findingCounts(jobs: Operated): Promise<FindingCount[]> {
  const looking = shared(examined, jobs, EXAMINED, async () => {
    const { examine } = await import('../operate/doctor/doctor.ts')
    return examine(await jobs.open(), true)
  })
  const findings = await inTime(PATIENCE, looking, () => []).catch(() => [])
  const count = (code: FindingCode, severity: FindingLevel) =>
    findings.filter((finding) => finding.code === code && finding.level === severity).length
  return [...new Set(findings.map(({ code }) => code))].flatMap((code) =>
    (['error', 'warning'] as const).map((severity) => ({ code, severity, count: count(code, severity) })),
  )
}

async function lookAnew(jobs: Operated): Promise<Look> {
  const open = await jobs.open()
  const { partitions: queues, targets } = open.settings
  const [measured, alarms] = await Promise.all([
    measure({ store: open.store, queues }),
    shared(found, jobs, FOUND, () => lookForAlarms(open)),
  ])
  return { ...measured, targets, ...alarms }
}

/**
 * What was looked for less than `ms` milliseconds ago, or is looked for now. A failure is shared for a
 * second.
 */
function shared<T>(
  kept: WeakMap<Operated, SharedLook<T>>,
  jobs: Operated,
  ms: number,
  lookFor: () => Promise<T>,
): Promise<T> {
  const now = performance.now()
  const last = kept.get(jobs)
  if (last !== undefined && now < last.at + ms) return last.look
  const look = lookFor()
  kept.set(jobs, { at: now, look })
  look.catch(() => kept.set(jobs, { at: now + SHARED - ms, look }))
  return look
}
