/**
 * Schedules on Redis. A schedule and the jobs of its ticks are in one slot, so one script writes both. The
 * homes of all schedules are in two keys of the whole store (`meta` in `keys.ts`).
 */
import type { ScheduleRun } from '../../../model/tick.ts'
import {
  type Bound,
  type DueSchedules,
  MAX_DUE,
  MAX_ITEMS,
  type ScheduleHome,
  type Schedules,
  type ScheduleWrite,
  type ScheduleWritten,
  type StoredSchedule,
} from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import { readFlow } from './flows.ts'
import { packDuration } from './pack-limits.ts'
import { packJobs } from './packing.ts'
import type { FlowTexts, Texts } from './reading.ts'
import { brings, nextTick, packDue, packStep, packText, readQueued, type Writing } from './writing.ts'

/** The answer of `due.lua`. */
type Due = [at: string, next: number, ids: string[], ...texts: [Texts, Texts, Texts], flows: FlowTexts[]]

export class RedisSchedules implements Schedules {
  readonly #scripts: Scripts
  readonly #writing: Writing

  constructor(writing: Writing) {
    this.#scripts = writing.scripts
    this.#writing = writing
  }

  async due(partition: string, limit: number, leaseMs: number): Promise<DueSchedules> {
    const args = [String(Math.min(limit, MAX_DUE)), packDuration(leaseMs), packStep()]
    const reply = await this.#scripts.run('due', partition, args)
    const [at, next, ids, definitions, states, runs, flows] = reply as Due
    const due = ids.map((id, i) => readSchedule(id, i, [definitions, states, runs]))
    return { at: Number(at), due, flows: flows.map(readFlow), ...nextTick(next) }
  }

  async write(
    partition: string,
    writes: readonly ScheduleWrite[],
    bound?: Bound,
    isRelied = false,
  ): ReturnType<Schedules['write']> {
    const options = { brings: writes.some(brings), bound, isRelied }
    const args = writes.flatMap(packWrite)
    const [numbers, next, verdicts] = await this.#writing.run('schedules', partition, options, args)
    return { written: readWritten(writes, numbers.split(','), verdicts), ...nextTick(next) }
  }

  async get(partition: string, ids: readonly string[]): ReturnType<Schedules['get']> {
    const reply = await this.#scripts.run('schedule-get', partition, ids)
    const [at, ...texts] = reply as [string, Texts, Texts, Texts]
    const found = ids.map((id, i) => (texts[1]![i] == null ? undefined : readSchedule(id, i, texts)))
    return { at: Number(at), found }
  }

  async home(id: string): Promise<string | undefined> {
    const { keys } = this.#scripts
    return ((await this.#scripts.send(['HGET', keys.meta('homes'), id])) as string | null) ?? undefined
  }

  async move(
    id: string,
    from: string | undefined,
    to: string | undefined,
    ofClass?: boolean,
  ): Promise<string | undefined> {
    const { keys, transport } = this.#scripts
    const args = [id, from ?? '', to ?? '', ofClass === undefined ? '' : String(Number(ofClass))]
    const deadline = transport.deadline()
    const kept = await this.#scripts.on(keys.meta('homes'), 'schedule-move', args, deadline, true)
    return (kept as string | null) ?? undefined
  }

  async homes(ofClass = false): Promise<ScheduleHome[]> {
    const ofClasses = await this.#homesIn('class-homes')
    const all = ofClass ? ofClasses : await this.#homesIn('homes')
    return [...all]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([id, home]) => ({ id, home, ofClass: ofClasses.has(id) }))
  }

  /** Reads the homes page by page, because there may be many. */
  async #homesIn(name: 'homes' | 'class-homes'): Promise<Map<string, string>> {
    const key = this.#scripts.keys.meta(name)
    const found = new Map<string, string>()
    let cursor = '0'
    do {
      const page = await this.#scripts.send(['HSCAN', key, cursor, 'COUNT', String(MAX_ITEMS)])
      const [next, pairs] = page as [string, string[]]
      for (let i = 0; i < pairs.length; i += 2) found.set(pairs[i]!, pairs[i + 1]!)
      cursor = next
    } while (cursor !== '0')
    return found
  }
}

/** The arguments of `schedule-write.lua` for one write. */
function packWrite(write: ScheduleWrite): string[] {
  const { delays } = write
  const packDelay =
    delays && ((ms: number) => `${delays.isExpected ? '=' : '@'}${Math.ceil(delays.from + ms)}`)
  const jobs = packJobs(write.jobs ?? [], undefined, '', packDelay)
  const { due, state, definition } =
    'remove' in write ? { due: 'x', state: '', definition: '' } : packed(write)
  return [write.id, String(write.rev), due, state, definition, String(jobs.length), ...jobs]
}

function packed({ next, state, definition }: Exclude<ScheduleWrite, { remove: true }>) {
  return {
    due: packDue(next),
    state,
    definition: packText(definition),
  }
}

/**
 * @param numbers the new revision numbers; '' for a schedule that was not written
 * @param verdicts the verdicts for the jobs of written schedules, in the form of `enqueue.lua`
 */
function readWritten(
  writes: readonly ScheduleWrite[],
  numbers: readonly string[],
  verdicts: string,
): ScheduleWritten[] {
  const jobs = writes.flatMap((write, i) => (numbers[i] === '' ? [] : (write.jobs ?? [])))
  const all = readQueued(verdicts, jobs)
  return writes.map((write, i) => {
    const isWritten = numbers[i] !== ''
    return {
      isWritten,
      rev: Number(numbers[i]),
      jobs: isWritten ? all.splice(0, write.jobs?.length ?? 0) : [],
    }
  })
}

/** @param texts definitions, states and runs */
function readSchedule(id: string, i: number, [definitions, states, runs]: readonly Texts[]): StoredSchedule {
  const text = states![i] ?? ''
  // A damaged state has the revision number 0, as in the scripts (`stored.lua`).
  const number = /^(\d+)\|/.exec(text)
  return {
    id,
    rev: Number(number?.[1] ?? 0),
    definition: definitions![i] ?? '',
    state: text.slice(number?.[0].length ?? 0),
    runs: readRuns(runs![i] ?? ''),
  }
}

/** Parses the runs of a schedule, one on each line. Damaged lines are left out. */
function readRuns(text: string): ScheduleRun[] {
  return text.split('\n').flatMap((line): ScheduleRun | [] => {
    const parts = /^(\S+) (completed|failed|cancelled|rejected|moved) (\d+)(?: (\d+))?$/.exec(line)
    const tick = Date.parse(parts?.[1] ?? '')
    if (parts === null || Number.isNaN(tick)) return []
    const [, , state, at, took] = parts
    return { tick, state: state as ScheduleRun['state'], at: Number(at), ...(took && { took: Number(took) }) }
  })
}
