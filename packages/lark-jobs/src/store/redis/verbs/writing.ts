/**
 * What writes of schedules and of flows have in common: their numbers, texts and jobs.
 */
import { randomInt } from 'node:crypto'
import type { NewJob } from '../../../model/record.ts'
import { countsAsQueued, type Enqueued } from '../../contract/store.ts'
import { readEnqueued } from './reading.ts'

/** A number rises by less than this, and by at least a tenth of it. With a write each second it is exact for centuries. */
const STEP = 1_000_000

/** By how much the numbers of a call rise. */
export function packStep(): string {
  return String(randomInt(STEP / 10, STEP))
}

/** @param next milliseconds since 1970 */
export function packDue(next: number | undefined): string {
  return next === undefined ? '' : String(Math.ceil(next))
}

/** @param text undefined: it stays as it is */
export function packText(text: string | undefined): string {
  return text === undefined ? '' : `=${text}`
}

/** @param verdicts as `enqueue.lua` returns them */
export function readQueued(verdicts: string, jobs: readonly NewJob[]): Enqueued[] {
  return readEnqueued(verdicts, jobs).map((verdict) => (countsAsQueued(verdict) ? 'queued' : verdict))
}

/** @param next -1: none will be due */
export function nextTick(next: number): { nextTick?: number } {
  return next < 0 ? {} : { nextTick: next }
}
