/**
 * Makes the metrics of a whole store from one reading of the store. Labels are queues, keys of job classes,
 * states and outcomes: never ids. Every metric and its meaning: docs/telemetry.md.
 */
import { workerStates } from '../../model/record.ts'
import { type RunCounts, runEnds } from '../../model/run/run-counts.ts'
import { lateSchedules, pausedSchedules, storeErrors } from '../../operate/findings/alarms.ts'
import { byQuantile, figuresOf } from '../../operate/measures/figures.ts'
import { oldestOf } from '../../operate/measures/measurement.ts'
import { strandedIn } from '../../operate/measures/stranded-jobs.ts'
import type { Standing } from '../../store/contract/store.ts'
import { counted, type FindingCount, type Look } from '../look.ts'
import { Family } from './exposition.ts'

/** The counts of the runs of one queue and key. */
export interface KeyCounts {
  queue: string
  key: string
  counts: RunCounts
}

export function metricsOf(look: Look, counts: readonly KeyCounts[], found: readonly FindingCount[]): string {
  const { at, latency, workers, queues, targets, findings, outbox } = look
  const gauge = (name: string, help: string) => new Family(`lark_jobs_${name}`, 'gauge', help)
  const total = (standings: readonly Standing[], state: (typeof counted)[number]) =>
    standings.reduce((sum, standing) => sum + standing.counts[state], 0)

  const up = storeUp(1)
  const delay = gauge('store_latency_seconds', 'How long the store took to answer the smallest request.')
  delay.add({}, latency / 1_000)
  const oldest = gauge('oldest_waiting_seconds', 'Since when the first waiting job was due; 0 if none waits.')
  const target = gauge('target_seconds', 'How long the oldest job of a queue should wait at most.')
  const stored = gauge('stored', 'Jobs in the store, by state.')
  const retrying = gauge(
    'retrying',
    'Waiting and delayed jobs that have failed, and wait for their next try.',
  )
  const suspended = gauge('suspended', 'Jobs that sleep, or wait for a signal.')
  const stranded = gauge('stranded', 'Jobs that no worker could read so far.')
  const leases = gauge('leases', 'Jobs that workers hold.')
  const paused = gauge('paused', '1 if a queue, or a group of it, is paused.')
  const serving = gauge('queue_workers', 'Live workers that serve a queue.')
  for (const { queue, standings } of queues) {
    const first = oldestOf(standings)
    oldest.add({ queue }, first === undefined ? 0 : Math.max(0, at - first) / 1_000)
    if (targets.has(queue)) target.add({ queue }, targets.get(queue)! / 1_000)
    for (const state of counted) stored.add({ queue, state }, total(standings, state))
    retrying.add(
      { queue },
      standings.reduce((sum, each) => sum + each.retrying, 0),
    )
    suspended.add(
      { queue },
      standings.reduce((sum, each) => sum + each.suspended, 0),
    )
    stranded.add({ queue }, strandedIn(standings))
    leases.add({ queue }, total(standings, 'active'))
    paused.add({ queue }, standings.some(({ isPaused }) => isPaused) ? 1 : 0)
    serving.add({ queue }, workers.filter((worker) => worker.queues.includes(queue)).length)
  }
  const waited = gauge('wait_quantile_seconds', 'How long runs of the last five minutes had waited.')
  const took = gauge('process_quantile_seconds', 'How long runs of the last five minutes took.')
  for (const { queue, wait, process } of figuresOf(look, targets))
    for (const [family, times] of [[waited, wait] as const, [took, process] as const])
      for (const [quantile, ms] of Object.entries(byQuantile(times)))
        family.add({ queue, quantile }, ms / 1_000)

  const errors = gauge('store_errors', 'Servers or files of the store with an error that the doctor names.')
  for (const [code, count] of storeErrors(findings)) errors.add({ code }, count)
  const late = gauge('schedules_late', 'Schedules that have not ticked when they were due.')
  late.add({}, lateSchedules(findings))
  const resting = gauge('schedules_paused', 'Schedules that are paused.')
  resting.add({}, pausedSchedules(findings))
  const doctor = gauge('findings', 'Findings of the doctor: errors and warnings, by what was looked for.')
  for (const { code, severity, count } of found) doctor.add({ code, severity }, count)

  const rows = gauge('outbox_rows', 'Rows of the outbox: those that wait, and those that cannot become jobs.')
  const oldestRow = gauge('outbox_oldest_seconds', 'How old the oldest row is that waits; 0 if none does.')
  if (outbox !== undefined) {
    rows.add({ state: 'waiting' }, outbox.waiting)
    rows.add({ state: 'bad' }, outbox.bad)
    oldestRow.add({}, outbox.age / 1_000)
  }

  const alive = gauge('workers', 'Live workers.')
  for (const state of workerStates)
    alive.add({ state }, workers.filter((worker) => worker.state === state).length)
  const slots = gauge('slots', 'How many jobs the live workers can run at a time.')
  slots.add(
    {},
    workers.reduce((sum, { concurrency }) => sum + concurrency, 0),
  )
  const busy = gauge('slots_busy', 'How many jobs they run.')
  busy.add(
    {},
    workers.reduce((sum, { running }) => sum + running, 0),
  )

  const runs = new Family('lark_jobs_runs_total', 'counter', 'Runs that have ended, by how they ended.')
  const wait = new Family('lark_jobs_wait_seconds', 'histogram', 'From when a job was due until it began.')
  const process = new Family('lark_jobs_process_seconds', 'histogram', 'How long runs took.')
  for (const { queue, key, counts: found } of counts) {
    const labels = { queue, key }
    for (const outcome of runEnds)
      if (found.ends(outcome) > 0) runs.add({ ...labels, outcome }, found.ends(outcome))
    if (found.histogram('wait').count > 0) wait.addHistogram(labels, found.histogram('wait'))
    if (found.histogram('process').count > 0) process.addHistogram(labels, found.histogram('process'))
  }
  const all = [
    up,
    delay,
    errors,
    late,
    resting,
    doctor,
    ...(outbox === undefined ? [] : [rows, oldestRow]),
    oldest,
    target,
    stored,
    retrying,
    suspended,
    stranded,
    leases,
    paused,
    serving,
    waited,
    took,
    alive,
    slots,
    busy,
    runs,
    wait,
    process,
  ]
  return all.map(({ text }) => text).join('')
}

/** The only metric that is returned when the store does not answer. */
export function metricsOfAbsence(): string {
  return storeUp(0).text
}

function storeUp(value: 0 | 1): Family {
  return new Family('lark_jobs_store_up', 'gauge', '1 if the store answers.').add({}, value)
}
