/**
 * Problems that the figures of a queue do not show, although they stop jobs or may lose them: errors of the
 * store itself, late schedules, stuck limiters, open circuits, and an outbox that is not emptied. `status()`,
 * `/slo`, the metrics and the dashboard take their alarms from here.
 */
import { defined } from '@s18i/lark/internal'
import type { OutboxBacklog } from '../../outbox/outbox-database.ts'
import type { Inspection } from '../../store/contract/inspection.ts'
import { CHANGES } from '../../store/contract/store.ts'
import type { PacedChange } from '../pace/paced-changes.ts'
import type { OpenSchedules, ScheduleInfo } from '../schedules/schedule-info.ts'
import { changeFindings, lookAtChanges } from './change-findings.ts'
import { fileFindings } from './file-findings.ts'
import type { DoctorFinding, FindingCode } from './finding-codes.ts'
import { limiterFindings } from './limiter-findings.ts'
import { lookAtOutbox, outboxFindings } from './outbox-findings.ts'
import { scheduleFindings } from './schedule-findings.ts'
import { serverFindings } from './server-findings.ts'

export function storeFindings(inspection: Inspection): DoctorFinding[] {
  return inspection.kind === 'redis' ? serverFindings(inspection) : fileFindings(inspection)
}

/**
 * All findings, including those without a problem, and the backlog of the outbox, if there is an outbox that
 * can be read.
 */
export interface Alarms {
  findings: DoctorFinding[]
  outbox?: OutboxBacklog
}

/**
 * Collects the findings for the store and its schedules, including those without a problem. The rights of the
 * user are not tested.
 */
export async function lookForAlarms(open: OpenSchedules): Promise<Alarms> {
  const { store, settings } = open
  const [inspection, { schedules, changes }, workers, now, outbox] = await Promise.all([
    store.inspect(true),
    heldIn(open),
    store.workers(),
    store.now(),
    lookAtOutbox(settings),
  ])
  const findings = [
    ...storeFindings(inspection),
    ...scheduleFindings(schedules, workers, now),
    ...changeFindings(changes, now),
    ...(await limiterFindings(store, settings.limiters, workers, now)),
    ...outboxFindings(outbox),
  ]
  return { findings, ...(outbox instanceof Error ? {} : defined({ outbox })) }
}

/**
 * Reads the schedules and the changes at a pace. If the store has no schedules and no changes, the code for
 * them is not loaded, and this function makes one call.
 */
async function heldIn(open: OpenSchedules): Promise<{ schedules: ScheduleInfo[]; changes: PacedChange[] }> {
  const homes = await open.store.schedules.homes()
  if (homes.length === 0) return { schedules: [], changes: [] }
  const changes = homes.some(({ id }) => id === CHANGES) ? await lookAtChanges(open.store) : []
  return { schedules: await (await import('../schedules/schedule-info.ts')).listSchedules(open, {}), changes }
}

/**
 * Whether a finding is about the contents of the store, and not about the store itself. For findings about
 * the contents, warnings are shown as well as errors.
 */
function isHeld(code: FindingCode): boolean {
  return /^(schedule|change|limiter|circuit|outbox)-/.test(code)
}

/**
 * Picks the alarms among findings: all errors, and warnings about paused schedules, halted changes at a
 * pace, stuck limiters, open circuits, and rows of the outbox that cannot become jobs. A schedule of a class
 * that no worker knows is an alarm as soon as a tick is late, so that a restart of the workers is none.
 */
export function alarmsIn(findings: readonly DoctorFinding[]): DoctorFinding[] {
  return findings.filter(
    ({ level, code }) =>
      level === 'error' || (level === 'warning' && isHeld(code) && code !== 'schedule-known'),
  )
}

/** Whether a finding says that a schedule is paused. */
export function isPaused({ code, level }: Pick<DoctorFinding, 'code' | 'level'>): boolean {
  return code === 'schedule-paused' && level === 'warning'
}

/** How many schedules are paused. */
export function pausedSchedules(findings: readonly DoctorFinding[]): number {
  return findings.filter(isPaused).length
}

/** How many schedules are late. */
export function lateSchedules(findings: readonly DoctorFinding[]): number {
  return findings.filter(({ code, level }) => code === 'schedule-late' && level === 'error').length
}

/** For each check of the store, how many servers have that error. */
export function storeErrors(findings: readonly DoctorFinding[]): Map<string, number> {
  const errors = new Map<string, number>()
  for (const { code, level } of findings)
    if (!isHeld(code)) errors.set(code, (errors.get(code) ?? 0) + (level === 'error' ? 1 : 0))
  return errors
}
