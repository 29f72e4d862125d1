/**
 * A reading of the store that all callers share. The store is asked at most once a second, no matter how
 * often scrapes and health checks come.
 */

import { JobsError } from '../model/errors.ts'
import { type Alarms, lookForAlarms } from '../operate/findings/alarms.ts'
import type { DoctorFinding, FindingCode, FindingLevel } from '../operate/findings/finding-codes.ts'
import { type Measurement, measure } from '../operate/measures/measurement.ts'
import type { Operated } from '../operate/operated.ts'
import type { OutboxBacklog } from '../outbox/outbox-database.ts'
import { inTime } from '../waiting/bounded-wait.ts'

/** How long a reading is shared, in milliseconds. */
const SHARED = 1_000
/**
 * How long the findings of the doctor are shared, in milliseconds. This time is longer than `SHARED`, because
 * there may be thousands of schedules.
 */
const FOUND = 5_000
/**
 * How long an examination is shared, in milliseconds. This time is longer than `FOUND`, because an
 * examination reads the next jobs of each queue.
 */
const EXAMINED = 30_000
/** How long a reading may take, in milliseconds. Health probes give up after ten seconds. */
const PATIENCE = 5_000

/** The states of jobs that a partition counts. */
export const counted = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled'] as const

export interface Look extends Measurement {
  /** The configured maximum time that the oldest job of each queue should wait, in milliseconds. */
  targets: ReadonlyMap<string, number>
  /**
   * The doctor's findings about the store and its schedules, including those without a problem: at most five
   * seconds old.
   */
  findings: readonly DoctorFinding[]
  /** The backlog of the outbox, at most five seconds old. Absent if there is no outbox that can be read. */
  outbox?: OutboxBacklog
}

interface SharedLook<T> {
  at: number
  look: Promise<T>
}

const looks = new WeakMap<Operated, SharedLook<Look>>()
const found = new WeakMap<Operated, SharedLook<Alarms>>()
const examined = new WeakMap<Operated, SharedLook<DoctorFinding[]>>()

/** How many findings of the doctor have this code and level. 0 means that the check found no problem. */
export interface FindingCount {
  code: FindingCode
  severity: Exclude<FindingLevel, 'ok'>
  count: number
}

/** @throws the errors of the store; STORE_UNREACHABLE if it does not answer in time */
export function lookAt(jobs: Operated): Promise<Look> {
  return shared(looks, jobs, SHARED, () =>
    inTime(PATIENCE, lookAnew(jobs), () => {
      throw new JobsError('STORE_UNREACHABLE', `The store has not answered for ${PATIENCE / 1_000} s`)
    }),
  )
}

/**
 * The counts of the doctor's findings, at most half a minute old. Empty if the doctor fails, or while it
 * takes longer than a scrape may wait: the other metrics must not be delayed.
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
 * Shares the answer to a question among all callers for `ms` milliseconds, including callers that come while
 * the question is being asked. An error is shared for a second.
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
