/**
 * The table of all changes of jobs by hand. A new change gets a row here, its filter and answer in
 * `changed.ts`, a method in `operations.ts`, and a method in `api/job-handle.ts`. Code that only workers need
 * is imported when a change needs it, so that a program which only reads jobs does not load it.
 */
import { defined } from '@s18i/lark/internal'
import { states } from '../../model/record.ts'
import { jobSettings } from '../../options/job-settings.ts'
import { duration, Option, option } from '../../options/schema.ts'
import { isTags, tagsForm } from '../../options/tags.ts'
import { versionOf } from '../../store/contract/store.ts'
import { keptBecause } from '../../words/because.ts'
import {
  because,
  before,
  type ChangeOptions,
  force,
  fromStart,
  ifNotBegun,
  queueName,
} from '../look/filter.ts'
import {
  type Cancelled,
  type CancelOptions,
  cancellable,
  type Edited,
  type EditOptions,
  editable,
  type Moved,
  type MoveOptions,
  movable,
  type Prioritized,
  type PurgeOptions,
  pending,
  type Removed,
  type RemoveOptions,
  type Rescheduled,
  type RescheduleOptions,
  type RetryOptions,
  removable,
  retriable,
  type Tagged,
  type UndoableChange,
  type UndoableOptions,
  type Untagged,
} from './changed.ts'
import { checkQueue, moveSome, notMovable, sourcesOf } from './move.ts'
import { notCancellable, notEditable, notPending, notRemovable } from './refusal.ts'
import { isEnded, notRetriable, type Retry, retryingAll, retryingEach } from './retry.ts'
import type { ChangeRow, LotRow, WayBack } from './row.ts'

/** One tag, or several. */
const someTags = new Option<string | readonly string[], readonly string[]>(tagsForm, (value) => {
  const all = typeof value === 'string' ? [value] : value
  return isTags(all) && all.length > 0 ? all : undefined
})

const rows = {
  retry: undoable(
    'in place',
    row<RetryOptions, number>({
      states: retriable,
      refusal: (job) => (isEnded(job.state) ? undefined : notRetriable(job)),
      verdict: () => 'done',
      options: { fromStart, before },
      change: retryOf,
      act: async ({ open, options, isNamed }) =>
        (isNamed ? retryingEach : retryingAll)(open, retryOf(undefined, options)),
      // The list of failed jobs begins with the latest failure. It is processed in reverse order, so that the
      // jobs that failed first are queued first.
      isReversed: true,
      answer: ({ done }) => done,
      count: (retried) => retried,
    }),
  ),

  cancel: undoable(
    'in place or put back',
    row<CancelOptions, Cancelled>({
      states: cancellable,
      rechecks: true,
      options: { because, ifNotBegun, before },
      ofHandle: { options: ['because', 'ifNotBegun'], form: 'a text or an object' },
      refusal: (job, _, { ifNotBegun }) => (ifNotBegun ? undefined : notCancellable(job)),
      readsRuns: ({ ifNotBegun }) => ifNotBegun,
      verdict: ({ state, runs }, { ifNotBegun }) => {
        if (ifNotBegun) return state === 'active' || runs ? 'refused' : 'done'
        return state === 'active' ? 'asked' : 'done'
      },
      change: (_, { because, ifNotBegun = false }) => {
        return { kind: 'cancel', reason: 'user', ...defined({ because: keptBecause(because) }), ifNotBegun }
      },
      answer: ({ done, asked, refused }, { ifNotBegun }) => {
        return { cancelled: done, asked, ...(ifNotBegun && { left: refused }) }
      },
      count: ({ cancelled, asked }) => cancelled + asked,
    }),
  ),

  'run-now': undoable(
    'in place',
    row<RescheduleOptions, Rescheduled>({
      states: pending,
      // The search finds only delayed jobs, because a job that is already due runs as soon as possible
      // anyway.
      finds: ['delayed'],
      refusal: notPending,
      verdict: ({ state }) => (state === 'waiting' ? 'refused' : 'done'),
      change: () => ({ kind: 'run-now' }),
      answer: ({ done }) => ({ rescheduled: done }),
      count: ({ rescheduled }) => rescheduled,
    }),
  ),

  reschedule: undoable(
    'in place',
    row<RescheduleOptions, Rescheduled, number>({
      states: pending,
      value: ['delay', duration(0)],
      refusal: notPending,
      verdict: () => 'done',
      change: (delay) => ({ kind: 'reschedule', in: delay }),
      answer: ({ done }) => ({ rescheduled: done }),
      count: ({ rescheduled }) => rescheduled,
    }),
  ),

  prioritize: row<ChangeOptions, Prioritized, number>({
    states: pending,
    value: ['priority', jobSettings.entries.priority],
    refusal: notPending,
    verdict: () => 'done',
    change: (priority) => ({ kind: 'prioritize', priority }),
    answer: ({ done, refused }) => ({ prioritized: done, left: refused }),
    count: ({ prioritized }) => prioritized,
  }),

  move: undoable(
    'in place',
    row<MoveOptions, Moved, string>({
      states: movable,
      value: ['to', queueName],
      refusal: notMovable,
      verdict: () => 'done',
      checks: checkQueue,
      narrows: sourcesOf,
      act: async ({ open, value: to }) => {
        return (partition, jobs, passage) => moveSome(open, partition, jobs, to, passage)
      },
      answer: ({ done, refused }) => ({ moved: done, left: refused }),
      count: ({ moved }) => moved,
      to: (queue) => queue,
    }),
  ),

  edit: row<EditOptions, Edited, unknown>({
    states: editable,
    rechecks: true,
    options: { force },
    ofHandle: { options: ['force'] },
    finds: [...editable, 'active'],
    // Without this check, a call without the `payload` argument would remove the payloads.
    value: ['payload', option('a payload', (value) => value !== undefined)],
    refusal: notEditable,
    verdict: ({ state }) => (state === 'active' ? 'refused' : 'done'),
    act: async ({ open, value: payload, options: { force = false }, isNamed, only }) => {
      const { checkUnstepped, editAll } = await import('./edit.ts')
      return async (partition, jobs, passage) => {
        if (isNamed && !force) await checkUnstepped(open, partition, jobs)
        return editAll(open, partition, jobs, payload, { force, ...defined({ only }) }, passage)
      }
    },
    answer: ({ done, refused }) => ({ edited: done, running: refused }),
    count: ({ edited }) => edited,
  }),

  tag: row<ChangeOptions, Tagged, readonly string[]>({
    states,
    value: ['tags', someTags],
    refusal: () => undefined,
    verdict: () => 'done',
    change: (tags) => ({ kind: 'add-tags', tags }),
    answer: ({ done, refused }) => ({ tagged: done, left: refused }),
    count: ({ tagged }) => tagged,
  }),

  untag: row<ChangeOptions, Untagged, readonly string[]>({
    states,
    value: ['tags', someTags],
    refusal: () => undefined,
    verdict: () => 'done',
    change: (tags) => ({ kind: 'remove-tags', tags }),
    answer: ({ done }) => ({ untagged: done }),
    count: ({ untagged }) => untagged,
  }),

  remove: undoable(
    'put back',
    row<RemoveOptions, Removed>({
      states: removable,
      rechecks: true,
      finds: [...removable, 'active'],
      options: { ifNotBegun, before },
      ofHandle: { options: ['ifNotBegun'] },
      refusal: (job, _, { ifNotBegun }) => (ifNotBegun ? undefined : notRemovable(job)),
      readsRuns: ({ ifNotBegun }) => ifNotBegun,
      verdict: ({ state, runs }, { ifNotBegun }) => {
        return state === 'active' || (ifNotBegun && runs) ? 'refused' : 'done'
      },
      change: (_, { ifNotBegun = false }, records) => {
        return { kind: 'remove', ifNotBegun, ...defined({ as: records?.map(versionOf) }) }
      },
      answer: ({ done, refused }, { ifNotBegun, before }) => {
        return ifNotBegun || before !== undefined
          ? { removed: done, running: 0, left: refused }
          : { removed: done, running: refused }
      },
      count: ({ removed }) => removed,
    }),
  ),

  purge: row<PurgeOptions, Removed>({
    states: removable,
    refusal: notRemovable,
    verdict: ({ state }) => (state === 'active' ? 'refused' : 'done'),
    whole: async (open, which, options) => (await import('./purge.ts')).purge(open, which, options),
    answer: ({ done, refused }) => ({ removed: done, running: refused }),
    count: ({ removed }) => removed,
  }),
}

function retryOf(_: undefined, { fromStart }: RetryOptions): Retry {
  return { kind: 'retry', ...(fromStart && { fromStart }) }
}

/** The rows of the table by name. The audit uses the same names. */
export const jobChanges = named(rows)

/**
 * The row of a change, in the form in which a change at a pace uses it: without the types of its own options
 * and answer.
 */
export function lotRowOf(name: keyof typeof jobChanges): LotRow & { what: string } {
  return jobChanges[name] as unknown as LotRow & { what: string }
}

function row<Options extends ChangeOptions, Answer, Value = undefined>(
  row: ChangeRow<Options, Answer, Value>,
): ChangeRow<Options, Answer, Value> {
  return row
}

/**
 * Completes the row of a change that can be undone: adds the option `before`, with which the caller can keep
 * the old records.
 */
function undoable<Options extends UndoableOptions, Answer, Value, Way extends WayBack>(
  way: Way,
  row: Omit<ChangeRow<Options, Answer, Value>, 'undo'>,
): ChangeRow<Options, Answer, Value> & { undo: Way } {
  const options = { ...row.options, before } as NonNullable<ChangeRow<Options, Answer, Value>['options']>
  return { ...row, options, undo: way }
}

function named<Rows extends Record<UndoableChange, { undo: WayBack }>>(
  rows: Rows,
): { [Name in keyof Rows]: Rows[Name] & { what: Name } } {
  const all = Object.entries(rows).map(([what, row]) => [what, { ...row, what }])
  return Object.fromEntries(all)
}
