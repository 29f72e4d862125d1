/** The steps of a job and its signals as rows of a table. */
import type { JobSignal, JobStep } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { ago, fromNow } from './instant.ts'

/** The cells of a step: its state, such as `done` or `waiting`, its duration, when it ended, and remarks. */
export function stepRow(step: JobStep): string[] {
  const { name, state, took, at, size } = step
  const length = took === undefined ? '' : readable(took)
  return [name, state, length, at === undefined ? '' : ago(at), sizeWords(size), stepRemark(step)]
}

function stepRemark(step: JobStep): string {
  const { state, isWait, failed = 0, until, signal, runs = [], child } = step
  if (child !== undefined) {
    const left = state === 'waiting' && until !== undefined ? `, for at most ${fromNow(until)}` : ''
    const how = [child.state, child.note].filter((each) => each !== undefined).join(', ')
    return `job ${child.id}${how === '' ? '' : ` (${how})`}${left}`
  }
  if (state === 'begun' && runs.length > 0) return `in run ${runs.join(', ')}`
  const tries =
    failed === 0 ? '' : `${failed === 1 ? '1 try' : `${failed.toLocaleString('en')} tries`} failed`
  if (state === 'retrying' || state === 'undoing')
    return `${tries}, the next ${until === undefined ? 'follows' : fromNow(until)}`
  if (state === 'waiting') return until === undefined ? '' : fromNow(until)
  if (state === 'done' && isWait) return signal === undefined ? 'its time has come' : `got ${signal}`
  return tries
}

export function signalRow({ name, isTaken, size }: JobSignal): string[] {
  return [name, isTaken ? 'taken' : 'kept', sizeWords(size)]
}

function sizeWords(size: number | undefined): string {
  return size === undefined ? '' : `${size.toLocaleString('en')} B`
}

/** The words for damaged entries, such as `2 entries of its journal are damaged, and cannot be read`. */
export function damagedWords(count: number): string {
  const entries =
    count === 1 ? '1 entry of its journal is' : `${count.toLocaleString('en')} entries of its journal are`
  return `${entries} damaged, and cannot be read`
}
