/**
 * Reads the approval that belongs to a token, and finds out whether the approval can still be answered. A
 * token says where its hash is in the journal of its job, so checking an invalid token costs little.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { readId } from '../../model/id.ts'
import type { Journal } from '../../model/journal.ts'
import { queueOf } from '../../model/partition.ts'
import { isEndedState } from '../../model/record.ts'
import { answerTo, hashOf, type KeptToken, readToken, type Token } from '../../step/approval.ts'
import { readEntry, readJson, writeEntry } from '../../step/entries.ts'
import { seeSteps } from '../../step/look.ts'
import { stepWords } from '../../step/name.ts'
import type { Operated } from '../operated.ts'
import { journalFrom } from './job-steps.ts'
import { locateAt } from './stored-jobs.ts'

/** An approval that a job asks a person for. */
export interface Approval {
  /**
   * `open`: the approval can be answered. `answered`: the approval has been answered. `expired`: the time for
   * an answer is over. `ended`: the job has ended or no longer waits for the answer.
   */
  state: 'open' | 'answered' | 'expired' | 'ended'
  /** The name that the job gave to the approval. */
  name: string
  /** The question, for people: the `title` that the job gave, or else the name. */
  title: string
  /**
   * Until when the approval can be answered: milliseconds since 1970. Absent if there is no limit, or if the
   * job is not waiting yet.
   */
  until?: number
  /** The job that asks for the approval. */
  job: { id: string; key: string; queue: string }
}

/** An approval, and how its answer is sent to the job. */
export interface FoundApproval {
  approval: Approval
  /** The partition of the job. Absent if `dispatchNow` runs the job. */
  partition?: string
  /** The name of the signal. */
  signal: string
  /** The id of the signal. All tokens of an approval use the same id. */
  once: string
}

/** @throws APPROVAL_INVALID @internal */
export async function findApproval(jobs: Operated, text: unknown): Promise<FoundApproval> {
  const token = readToken(text)
  const stand = token && (nowOf(jobs, token) ?? (await standOf(jobs, token)))
  const [entry] = stand?.journal.entries ?? []
  if (token === undefined || stand === undefined || entry === undefined) throw invalid()
  const { journal, partition } = stand
  const { kind, key, value } = readEntry(entry)
  if (kind !== 'token') throw invalid()
  const { hash, first, heard, title } = readJson(value) as KeptToken
  if (hash !== hashOf(token.secret)) throw invalid()
  const signal = answerTo(key)
  const { steps } = seeSteps(journal)
  const asked = steps.find((step) => step.key === key)
  const { state: waits, until } = steps.find((step) => step.key === signal) ?? {}
  const isAnswered = journal.signals.slice(heard).some((each) => each.name === signal)
  const isOver = waits === 'done' || (until !== undefined && until <= stand.at)
  const isForgotten = journal.entries.includes(writeEntry('forgotten', key))
  const isGone = stand.isEnding || isForgotten || asked?.state === 'failed'
  return {
    approval: {
      state: isAnswered ? 'answered' : isGone ? 'ended' : isOver ? 'expired' : 'open',
      name: stepWords(key),
      title: title ?? stepWords(key),
      ...defined({ until }),
      job: { id: token.id, key: stand.key, queue: stand.queue },
    },
    ...defined({ partition }),
    ...{ signal, once: first },
  }
}

/**
 * The job that asks for an approval, and the part of its journal that begins with the entry that the token
 * names.
 */
interface AskingJob {
  key: string
  queue: string
  partition?: string
  journal: Journal
  /** Whether the job has ended or its steps are being undone. */
  isEnding: boolean
  /** Milliseconds since 1970. */
  at: number
}

/** Finds a job that `dispatchNow` runs in this process. */
function nowOf(jobs: Operated, { queue, id, place }: Token): AskingJob | undefined {
  const recorded = queue === '' ? jobs.recordedNow(id) : undefined
  if (recorded === undefined) return undefined
  const { key, journal } = recorded
  const entries = journal.entries.slice(place)
  return { key, queue, journal: { ...journal, entries }, isEnding: false, at: Date.now() }
}

/** Finds a job in the store, even if the job was moved to another queue. */
async function standOf(jobs: Operated, token: Token): Promise<AskingJob | undefined> {
  const { store, settings } = await jobs.open()
  try {
    const { queue, id } = token
    const job = await locateAt({ store, queues: settings.partitions }, { id: readId(id), queue })
    const journal = job && (await journalFrom(store, job, token.place))
    if (journal === undefined) return undefined
    const { key, partition, state, undoing = false } = job!
    const isEnding = undoing || isEndedState(state)
    return { key, queue: queueOf(partition), partition, journal, isEnding, at: await store.now() }
  } catch (error) {
    if (JobsError.is(error, 'JOB_ID_INVALID') || JobsError.is(error, 'UNKNOWN_QUEUE')) return undefined
    throw error
  }
}

function invalid(): JobsError {
  return new JobsError('APPROVAL_INVALID', 'No approval has this token', {
    hint: 'Part of it may be missing; or its job was removed, or begun anew; or it belongs to another store.',
  })
}
