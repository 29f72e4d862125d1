/**
 * Answers the HTTP requests of health checks and of Prometheus.
 *
 *   /live     whether the process should go on. It should not if its event loop is blocked, or if it has
 *             sent nothing to the store, claimed nothing, or renewed nothing for 20 s (or `/live?within=30s`)
 *   /ready    whether the worker takes jobs: the store has answered, and the worker is not quiet
 *   /slo      whether the oldest job of each queue has waited for no longer than its target, jobs of a queue
 *             without a target can run, less than half of the jobs fail, the store has no error, and
 *             schedules tick when they are due
 *   /metrics  for Prometheus
 */

import { endedSince, oldestOf } from '../../operate/measures/measurement.ts'
import { strandedIn } from '../../operate/measures/stranded-jobs.ts'
import type { Operated } from '../../operate/operated.ts'
import { HOUR, MINUTE } from '../../store/contract/store.ts'
import { milliseconds, readable } from '../../words/duration.ts'
import { failingWords } from '../../words/failing-words.ts'
import { plural } from '../../words/plural.ts'
import { textOf } from '../../words/thrown.ts'
import { ailmentOf, LEAST_WELL, type Vitals, WELL } from '../../worker/vitals.ts'
import { lookAt } from '../look.ts'
import { CONTENT_TYPE } from '../prometheus/exposition.ts'
import { scrape } from '../prometheus/scrape.ts'

export interface HttpAnswer {
  status: number
  text: string
  /** The content type. Default: plain text. */
  type?: string
}

/** A worker, and its last report. */
export interface Patient {
  /** The name for people: `The worker`, `Worker process 2 (pid 4711)`. */
  name: string
  /** The last report. Undefined if the worker has not reported anything yet. */
  vitals: Vitals | undefined
  /** Milliseconds since the last report, or since the worker was started. */
  age: number
}

/** @returns the answer for a path that does not need the store. Undefined for other paths */
export function answerAlone(path: string, patients: readonly Patient[]): HttpAnswer | undefined {
  const [, live, time] = /^(\/live)(?:\?within=([^&]*))?$/.exec(path) ?? []
  if (live !== undefined) {
    const within = time === undefined ? WELL : milliseconds(decoded(time))
    if (within === undefined || within < LEAST_WELL)
      return { status: 400, text: `within must be at least 10s\n` }
    return verdict(patients.flatMap((patient) => ailment(patient, within) ?? []))
  }
  if (path === '/ready') {
    const isAny = patients.some(isReady)
    return isAny ? verdict([]) : verdict(patients.map(({ name, vitals }) => `${name} ${unready(vitals)}`))
  }
  if (path === '/slo' || path === '/metrics') return undefined
  return { status: 404, text: 'There are /live, /ready, /slo and /metrics\n' }
}

/** The answer for a path that needs the store. */
export async function answerOfStore(path: string, jobs: Operated): Promise<HttpAnswer> {
  return path === '/metrics' ? { status: 200, text: await scrape(jobs), type: CONTENT_TYPE } : slo(jobs)
}

async function slo(jobs: Operated): Promise<HttpAnswer> {
  try {
    const { at, queues, workers, targets, findings } = await lookAt(jobs)
    const late = queues.flatMap(({ queue, standings }) => {
      const [target, oldest, stranded] = [targets.get(queue), oldestOf(standings), strandedIn(standings)]
      if (oldest === undefined) return []
      // In a queue without a target, a job may wait for any time, but it must be possible to run it at all.
      if (target === undefined && stranded > 0)
        return `${queue}: no worker could read ${plural(stranded, 'job')}`
      if (target === undefined)
        return workers.some(({ queues }) => queues.includes(queue))
          ? []
          : `${queue}: jobs wait, and no worker serves it`
      if (at - oldest <= target) return []
      const age = readable(Math.round((at - oldest) / 1_000) * 1_000)
      const paused = standings.some(({ isPaused }) => isPaused) ? ' (paused)' : ''
      const unread = stranded > 0 ? ` (no worker could read ${stranded} of them)` : ''
      return `${queue}: the oldest job has waited for ${age}, its target is ${readable(target)}${paused}${unread}`
    })
    const failing = queues.flatMap(({ queue, standings }) => {
      const { text, howMany } = failingWords(
        endedSince(standings, at - 5 * MINUTE),
        endedSince(standings, at - HOUR),
      )
      return howMany === 'most' ? `${queue}: ${text}` : []
    })
    const errors = findings.filter(({ level }) => level === 'error')
    return verdict([...errors.map(({ subject, text }) => `${subject}: ${text}`), ...late, ...failing])
  } catch (error) {
    return verdict([textOf(error)])
  }
}

function verdict(wrong: readonly string[]): HttpAnswer {
  return wrong.length === 0 ? { status: 200, text: 'ok\n' } : { status: 503, text: `${wrong.join('\n')}\n` }
}

function ailment({ name, vitals, age }: Patient, within: number): string | undefined {
  const said = vitals ?? { state: 'starting', starting: 0, slots: 0, running: 0, leaseMs: 0, ...nothing }
  // While a process loads files, it reports nothing, and loading may take longer than the limit. So a worker
  // without a report counts as starting.
  const found = vitals === undefined ? ailmentOf({ ...said, starting: age }, 0) : ailmentOf(said, age, within)
  return found && `${name} ${found}`
}

function decoded(text: string): string {
  return text.replace(/%20|\+/g, ' ')
}

const nothing = { answered: 0, isAway: false, unclaimed: 0, unrenewed: 0 }

function isReady({ vitals, age }: Patient): boolean {
  return vitals?.state === 'running' && age <= WELL && vitals.answered + age <= WELL
}

function unready(vitals: Vitals | undefined): string {
  if (vitals === undefined || vitals.state === 'starting') return 'is starting'
  if (vitals.state === 'quiet') return 'is quiet: it takes no more jobs'
  return vitals.state === 'stopped' ? 'has stopped' : 'has had no answer of the store lately'
}
