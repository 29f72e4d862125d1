/**
 * What a token of an approval asks, and whether it may still be answered. A token says where its hash stands
 * in the journal of its job, so one that somebody made up costs little.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { readId } from '../../model/id.ts'
import type { Journal } from '../../model/journal.ts'
import { queueOf } from '../../model/partition.ts'
import { endedStates, type State } from '../../model/record.ts'
import { answerTo, hashOf, type KeptToken, readToken, type Token } from '../../step/approval.ts'
import { readEntry, readJson, writeEntry } from '../../step/entries.ts'
import { seeSteps } from '../../step/look.ts'
import { stepWords } from '../../step/name.ts'
import type { Store } from '../../store/contract/store.ts'
import { locateAt, type OpenQueues } from './stored-jobs.ts'

/** An approval that somebody was asked for. */
export interface Approval {
  /**
   * `open`: it can be answered. `answered`: it was. `expired`: its time is over. `ended`: its job has ended,
   * or asks for it no more.
   */
  state: 'open' | 'answered' | 'expired' | 'ended'
  /** The name that the job gave it. */
  name: string
  /** What is asked, for people: the `title`, or the name. */
  title: string
  /**
   * Until when it can be answered: milliseconds since 1970. Absent: for ever, or the job does not wait yet.
   */
  until?: number
  /** The job that asks. */
  job: { id: string; key: string; queue: string }
}

/** An approval, and how its job is told the answer. */
export interface FoundApproval {
  approval: Approval
  partition: string
  /** The name of the signal. */
  signal: string
  /** The id of the signal: the same for all tokens of the approval. */
  once: string
}

/** @throws APPROVAL_INVALID */
export async function findApproval(open: OpenQueues, text: unknown): Promise<FoundApproval> {
  const token = readToken(text)
  const job = token && (await jobOf(open, token))
  if (token === undefined || job === undefined) throw invalid()
  const { id, key: name, partition, state } = job
  const journal = await journalFrom(open.store, partition, token)
  const [entry] = journal?.entries ?? []
  if (journal === undefined || entry === undefined) throw invalid()
  const { kind, key, value } = readEntry(entry)
  if (kind !== 'token') throw invalid()
  const { hash, first, heard, title } = readJson(value) as KeptToken
  if (hash !== hashOf(token.secret)) throw invalid()
  const signal = answerTo(key)
  const { steps } = seeSteps(journal)
  const asked = steps.find((step) => step.key === key)
  const { state: waits, until } = steps.find((step) => step.key === signal) ?? {}
  const isAnswered = journal.signals.slice(heard).some((each) => each.name === signal)
  const isOver = waits === 'done' || (until !== undefined && until <= (await open.store.now()))
  const hasEnded = (endedStates as readonly State[]).includes(state)
  const isForgotten = journal.entries.includes(writeEntry('forgotten', key))
  const isGone = hasEnded || job.undoing || isForgotten || asked?.state === 'failed'
  return {
    approval: {
      state: isAnswered ? 'answered' : isGone ? 'ended' : isOver ? 'expired' : 'open',
      name: stepWords(key),
      title: title ?? stepWords(key),
      ...defined({ until }),
      job: { id, key: name, queue: queueOf(partition) },
    },
    ...{ partition, signal, once: first },
  }
}

/** The job, wherever it was moved. */
async function jobOf(open: OpenQueues, { queue, id }: Token) {
  try {
    return await locateAt(open, { id: readId(id), queue })
  } catch (error) {
    if (JobsError.is(error, 'JOB_ID_INVALID') || JobsError.is(error, 'UNKNOWN_QUEUE')) return undefined
    throw error
  }
}

/** The entries from that of the token on, and all signals. */
async function journalFrom(
  { journals }: Store,
  partition: string,
  { id, place }: Token,
): Promise<Journal | undefined> {
  const first = await journals.read(partition, id, 0)
  if (first === undefined || place >= first.count) return undefined
  const entries = first.entries.slice(place)
  for (let at = Math.max(place, first.entries.length); at < first.count; ) {
    const more = await journals.read(partition, id, at)
    if (more === undefined || more.entries.length === 0) break
    entries.push(...more.entries)
    at += more.entries.length
  }
  return { ...first, entries }
}

function invalid(): JobsError {
  return new JobsError('APPROVAL_INVALID', 'The token answers no approval', {
    hint: 'It may have been cut, or its job was removed, or begun anew; or it belongs to another store.',
  })
}
