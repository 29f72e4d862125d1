/** Texts for lists of jobs: how long a job has been in its state, and further remarks. */

import { isChildSignal } from '../../flow/child.ts'
import { isForEver } from '../../model/journal.ts'
import { codedLine } from '../../model/run/job-error.ts'
import type { StoredJob } from '../../operate.ts'
import { answerWords } from '../../step/approval.ts'
import { readable } from '../../words/duration.ts'
import { ago, timeSince } from './instant.ts'

/**
 * The maximum number of characters of an error or a progress report in a list. Such a text fits on a few
 * lines of a narrow terminal.
 */
const MOST = 300

/**
 * How long a job has been in its state, or when it is due: `for 3 s`, `in 5 min`, `4 min ago`. Empty for a
 * job that is only due when a signal comes.
 */
export function whenWords(job: StoredJob): string {
  const { state, queuedAt, dueAt = queuedAt, claimedAt = queuedAt, finishedAt = queuedAt } = job
  const { strandedSince = dueAt } = job
  const now = Date.now()
  if (state === 'active') return `for ${timeSince(claimedAt)}`
  if (state === 'waiting') return `for ${timeSince(strandedSince)}`
  if (state === 'delayed' && isForEver(dueAt - now)) return ''
  if (state === 'delayed') return dueAt > now ? `in ${readable(dueAt - now)}` : 'now'
  return ago(finishedAt)
}

/**
 * The remark of a list on a job besides its state: its progress, why it ended in this way, or why it runs
 * again.
 */
export function remarkWords(job: StoredJob): string {
  const { state, errors, reason, because, progress, failures, group, suspended, undoing } = job
  const last = errors.at(-1)
  const error = last === undefined ? '' : codedLine(last)
  if (undoing) return 'undoing'
  if (state === 'active') return reportedWords(progress)
  if (state === 'failed') return short(error)
  if (state === 'cancelled') return [reason, because].filter(Boolean).join(': ')
  if (state === 'completed') return ''
  if (because !== undefined) return short(because)
  if (suspended !== undefined && state === 'delayed') return suspendedWords(suspended)
  if (failures > 0) return short(`attempt ${failures + 1}, after ${error}`)
  return group === undefined ? '' : `group ${group}`
}

/**
 * When a delayed job is due, and whether it is suspended: `due in 5 min`, `suspended, due in 1 h`, `suspended
 * until approved`.
 */
export function delayWords(job: StoredJob): string {
  const when = whenWords(job)
  const parts = [job.suspended !== undefined && suspendedWords(job.suspended), when && `due ${when}`]
  return parts.filter(Boolean).join(', ')
}

function suspendedWords(signals: readonly string[]): string {
  return signals.length === 0 ? 'suspended' : short(`suspended until ${heardWords(signals)}`)
}

/** The text for a report by `this.progress()`: `40% (4 of 10) reading a.csv`, or the reported value. */
export function reportedWords(progress: unknown): string {
  if (progress === undefined) return ''
  const { done, total, note } = (progress ?? {}) as Record<string, unknown>
  if (typeof done !== 'number' || typeof total !== 'number') return short(JSON.stringify(progress))
  const share = total > 0 ? `${Math.floor((100 * done) / total)}% ` : ''
  const count = `${share}(${done.toLocaleString('en')} of ${total.toLocaleString('en')})`
  return short(typeof note === 'string' ? `${count} ${note}` : count)
}

/**
 * Says in words what a job waits for. Signals that report the end of another job have internal names, so the
 * text does not contain these names.
 */
function heardWords(signals: readonly string[]): string {
  const named = signals.filter((name) => !isChildSignal(name)).map(answerWords)
  const jobs = signals.length - named.length
  const ended = jobs === 0 ? [] : [jobs === 1 ? 'another job has ended' : `one of ${jobs} jobs has ended`]
  return [...named, ...ended].join(' or ')
}

function short(text: string): string {
  return text.length > MOST ? `${text.slice(0, MOST - 1)}…` : text
}
