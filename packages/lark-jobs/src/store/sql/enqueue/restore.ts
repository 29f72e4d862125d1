/** Puts back ended jobs that were removed (`Store.restore`). */
import type { EndedState, JobRecord } from '../../../model/record.ts'
import { laneName } from '../../contract/rules/lane.ts'
import { cancelledFor } from '../../contract/rules/reason.ts'
import type { Restored } from '../../contract/store.ts'
import { noteFailed } from '../end/failed-jobs.ts'
import { meetEarly } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { forgetPayload, keepPayload } from '../payload.ts'
import { endedStates, type JobRow } from '../row.ts'
import { FAILED } from '../states.ts'

const insert = `
  INSERT OR IGNORE INTO jobs (
    partition, id, state, priority, queuedAt, dueAt, runs, failures, crashes, releases, finishedAt, lane, reason, key,
    options, payload, apart, result, errors, progress
  )
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const find = 'SELECT seq FROM jobs WHERE partition = ? AND id = ?'

export function restore(partition: Partition, jobs: readonly JobRecord[]): Restored[] {
  const { database, id, now } = partition
  return jobs.map((job) => {
    const {
      queuedAt,
      runs,
      failures,
      crashes,
      releases,
      finishedAt = now,
      reason,
      because,
      group,
      limiter,
    } = job
    const state = endedStates[job.state as EndedState]
    const lane = group === undefined && limiter === undefined ? '' : laneName(group, limiter)
    const { payload, apart } = keepPayload(database, job.payload)
    const added = database.run(
      insert,
      ...[id, job.id, state, job.priority, queuedAt, queuedAt, runs, failures, crashes, releases, finishedAt],
      ...[lane, reason === undefined ? null : cancelledFor(reason, because), job.key],
      ...[job.options === undefined ? null : JSON.stringify(job.options), payload, apart, job.result ?? null],
      ...[job.errors.length > 0 ? JSON.stringify(job.errors) : null, job.progress ?? null],
    )
    if (added === 0) {
      forgetPayload(database, apart)
      return 'exists'
    }
    meetEarly(partition, job.id)
    partition.arrive({ state, dueAt: queuedAt })
    if (state === FAILED) {
      const { seq } = database.get<Pick<JobRow, 'seq'>>(find, id, job.id)!
      noteFailed(partition, { seq, key: job.key }, undefined)
    }
    return 'restored'
  })
}
