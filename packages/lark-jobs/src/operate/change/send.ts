/**
 * The implementation of `handle.send()`: sends a signal to a job, even if the job was moved to another queue.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { isMade } from '../../model/id.ts'
import { copied } from '../../step/misused.ts'
import { isLine, isSignalName, type SignalKind, signalText } from '../../step/signal.ts'
import { signalFollowed } from '../../store/contract/moved.ts'
import { MAX_SIGNAL_BYTES, MAX_SIGNALS, type NewSignal } from '../../store/contract/store.ts'
import { shown } from '../../words/secret.ts'
import { type JobPlace, type OpenQueues, partitionsAt } from '../look/stored-jobs.ts'
import type { Operated } from '../operated.ts'

export interface SendOptions {
  /**
   * The id of the signal, at most 100 characters. Of several signals with the same name and id, only one is
   * kept.
   */
  id?: string
}

/**
 * @returns the signal in its stored form
 * @throws STEP_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, PAYLOAD_INVALID
 */
export async function readSignal(
  signal: SignalKind<unknown>,
  value: unknown,
  options: SendOptions,
): Promise<NewSignal> {
  const how = copied(options)
  if (how === undefined)
    throw invalid(`send() was given ${shown(options)} as its options; they must be an object`)
  const { id } = how
  if (typeof signal !== 'object' || signal === null || !isSignalName(signal.name))
    throw invalid(`send() was given ${shown(signal)} as the signal; it must be made by defineSignal()`)
  if (id !== undefined && !isLine(id))
    throw invalid(
      `send() was given ${shown(id)} as the id; it must be a text of at most 100 characters on one line`,
    )
  return { name: signal.name, text: await signalText(signal, value), ...defined({ key: id }) }
}

/**
 * Sends a signal to a job that `dispatchNow` is running.
 *
 * @returns undefined if `dispatchNow` is running no job with this id
 * @throws SIGNALS_FULL
 * @internal
 */
export function sendNow(jobs: Pick<Operated, 'sentNow'>, id: string, signal: NewSignal): boolean | undefined {
  const verdict = jobs.sentNow(id, signal)
  if (verdict === 'full') throw full(id)
  return verdict && true
}

/**
 * @returns whether the job gets the signal, or has already got a signal with this id @throws SIGNALS_FULL,
 *   UNKNOWN_QUEUE
 */
export async function sendAt(open: OpenQueues, place: JobPlace, signal: NewSignal): Promise<boolean> {
  const partitions = await partitionsAt(open, place)
  for (const partition of partitions) {
    const verdict = await signalFollowed(open.store, partition, place.id, signal)
    if (verdict === 'full') throw full(place.id)
    if (verdict !== 'missing') return verdict !== 'ended'
  }
  // A signal can be sent before its job exists only if the application chose the id of the job, because an id
  // that Lark makes is known only after the dispatch.
  if (isMade(place.id)) return false
  // The signal is stored in the partition to which the job will go. The id decides which partition that is.
  const verdict = await open.store.journals.signal(partitions[0]!, place.id, { ...signal, mayBeEarly: true })
  if (verdict === 'full') throw full(place.id)
  return verdict !== 'ended' && verdict !== 'missing'
}

export function full(id: string): JobsError {
  const most = `${MAX_SIGNALS} signals, or ${MAX_SIGNAL_BYTES / 1_048_576} MiB of them`
  return new JobsError('SIGNALS_FULL', `${id}: it would have more than ${most}`, {
    id,
    hint: 'Dispatch a job for each thing that is sent; or store what is large elsewhere, and send its id.',
  })
}

function invalid(message: string): JobsError {
  return new JobsError('STEP_INVALID', message)
}
