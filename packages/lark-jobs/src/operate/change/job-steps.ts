/**
 * Changes that people make to a job with steps: they send it a signal, or remove the record of a step, so
 * that the step runs again.
 */
import { JobsError } from '../../model/errors.ts'
import { queueOf } from '../../model/partition.ts'
import { isEndedState, type State } from '../../model/record.ts'
import { flag, isText, type OptionsOf, option } from '../../options/schema.ts'
import { answerTo } from '../../step/approval.ts'
import { writeEntry } from '../../step/entries.ts'
import { seeSteps } from '../../step/look.ts'
import { isOwnSignal } from '../../step/signal.ts'
import type { NewSignal } from '../../store/contract/store.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { checkFilter, conditions, queueName } from '../look/filter.ts'
import { journalFrom, located } from '../look/job-steps.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { sendAt } from './send.ts'

const place = {
  /** The queue of the job. Default: every queue. Needed only if several queues have a job with this id. */
  queue: queueName,
  /** Returns the result that the call would have, and changes nothing. */
  dryRun: flag(),
}

const sendConditions = conditions({
  ...place,
  /**
   * The id of the signal, at most 100 characters. Of several signals with the same name and id, only one is
   * kept.
   */
  id: option<string>('a text', isText),
})

const forgetConditions = conditions(place)

export interface SendByHandOptions extends OptionsOf<typeof sendConditions.entries> {}
export interface ForgetOptions extends OptionsOf<typeof forgetConditions.entries> {}

/** The result of sending a signal. */
export interface SentSignal {
  /**
   * Whether the job gets the signal, or has already got a signal with this id. False if the job has ended.
   */
  sent: boolean
  /** The state of the job before the signal was sent. */
  state: State
  /** Whether the job was waiting for the signal and continues now. */
  wakes: boolean
  /** The names of the signals for which the job waits, if it waits for other signals than this one. */
  waitsFor?: string[]
}

/** @throws FILTER_INVALID */
export function checkSend(options: unknown): void {
  checkFilter('operate().steps.send()', options, sendConditions, { whole: 'the fourth argument' })
}

/** @throws FILTER_INVALID, STEP_INVALID */
export function checkForget(names: unknown, options: unknown): void {
  checkFilter('operate().steps.forget()', options, forgetConditions, { whole: 'the third argument' })
  if (Array.isArray(names) && names.length > 0 && names.every(isText)) return
  throw new JobsError('STEP_INVALID', `operate().steps.forget() was given ${shown(names)} as the steps`, {
    hint: 'It must be a list of names of steps.',
  })
}

/** @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE, SIGNALS_FULL */
export async function sendByHand(
  open: OpenQueues,
  id: string,
  signal: NewSignal,
  { queue, dryRun }: SendByHandOptions,
): Promise<SentSignal> {
  const { partition, state, suspended = [] } = await located(open, id, queue)
  const hasEnded = isEndedState(state)
  const wakes = suspended.includes(signal.name)
  const others = wakes ? [] : suspended.filter((name) => !isOwnSignal(name))
  const rest = { state, ...(others.length > 0 && { waitsFor: others }) }
  if (dryRun || hasEnded) return { sent: !hasEnded, wakes, ...rest }
  const sent = await sendAt(open, { id, queue: queueOf(partition), partition }, signal)
  return { sent, wakes: sent && wakes, ...rest }
}

/**
 * @param names the names of steps, in the form for people or in their stored form
 * @returns the names of the steps, in the form for people
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE, STEP_INVALID, JOB_NOT_EDITABLE
 */
export async function forgetSteps(
  open: OpenQueues,
  id: string,
  names: readonly string[],
  { queue, dryRun }: ForgetOptions,
): Promise<string[]> {
  for (;;) {
    const job = await located(open, id, queue)
    const journal = await journalFrom(open.store, job)
    const { steps } = seeSteps(journal ?? { entries: [], signals: [] })
    const found = names.map((name) => {
      const step = steps.find(({ key }) => key === name) ?? steps.find((each) => each.name === name)
      if (step !== undefined) return step
      const known = steps.length === 0 ? 'It has none.' : `It has ${listed(steps.map((each) => each.name))}.`
      throw new JobsError('STEP_INVALID', `${id} has recorded no step ${shown(name)}`, { id, hint: known })
    })
    if (job.state === 'active') throw runs(id)
    const forgotten = found.map(({ name }) => name)
    if (dryRun) return forgotten
    const keys = new Set(found.map(({ key }) => key))
    // When the step that asks for an approval runs again, its old answer must not count, so the answer is
    // removed too.
    for (const { key } of steps) if (found.some((each) => answerTo(each.key) === key)) keys.add(key)
    const entries = [...keys].map((key) => writeEntry('forgotten', key))
    const verdict = await open.store.journals.append(job.partition, id, { at: journal!.count, entries })
    if (verdict === 'active') throw runs(id)
    // Any other verdict means that the job has recorded more meanwhile, or was moved or removed.
    if (verdict === 'added') return forgotten
  }
}

function runs(id: string): JobsError {
  return new JobsError('JOB_NOT_EDITABLE', `${id} is active; only a job that does not run can forget steps`, {
    id,
  })
}
