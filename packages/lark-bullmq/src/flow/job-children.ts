/**
 * The children of a job that were added with the option `parent`, after the job itself. Each child is a flow
 * of its own, which sends its end to the parent as a signal, as the child of `runJob()` does. When children
 * are added, another signal tells the parent which they are. Signals stay with the parent until it is
 * removed.
 */

import { JobsError } from '@s18i/lark-jobs'
import { childSignal, FlowBook, opened, readChildEnd } from '@s18i/lark-jobs/internal'
import type { Dependencies } from '../job/dependencies.ts'
import { EveryJob } from '../job/every-job.ts'
import type { JobsOptions } from '../job/job-options.ts'
import { keepsNone } from '../job/kept-jobs.ts'
import type { JobHome } from '../store/shared-store.ts'
import type { FlowPlace } from './flow-rules.ts'

/** How a child has ended, as its flow says it. */
type ChildEnd = ReturnType<typeof readChildEnd>
type Store = Awaited<ReturnType<typeof opened>>['store']
type Signals = NonNullable<Awaited<ReturnType<Store['journals']['read']>>>['signals']

/** What a job keeps about a child. */
export interface ChildNote extends FlowPlace {
  /** `prefix:queue:id`. */
  key: string
  /**
   * What happens to the parent if the child fails. With `wait`, the parent waits until the failed child has
   * been retried.
   */
  rule: 'fail' | 'now' | 'ignore' | 'remove' | 'wait'
}

/** The name of the signal that tells a job of its new children. */
const ADDED = '$bullmq:children'
/**
 * A job waits for the signals of at most this many children whose failure it must notice at once. Failures of
 * further such children are noticed later.
 */
const MOST = 100
const prefixOfEnds = childSignal('')

export function ruleOfChild(opts: JobsOptions): ChildNote['rule'] {
  if (opts.failParentOnFailure) return 'fail'
  if (opts.continueParentOnFailure) return 'now'
  if (opts.ignoreDependencyOnFailure) return 'ignore'
  return opts.removeDependencyOnFailure || keepsNone(opts.removeOnFail) ? 'remove' : 'wait'
}

export class JobChildren {
  readonly #notes: readonly ChildNote[]
  /** How each child ended last, with the number of its signal. */
  readonly #ends = new Map<string, { end: ChildEnd; number: number }>()
  /** How many signals the job has. */
  readonly heard: number

  /** @param signals all signals of the job */
  constructor(signals: Signals) {
    const notes = new Map<string, ChildNote>()
    for (const [number, { name, text }] of signals.entries())
      if (name === ADDED) for (const note of JSON.parse(text) as ChildNote[]) notes.set(note.flow, note)
      else if (name.startsWith(prefixOfEnds))
        this.#ends.set(name.slice(prefixOfEnds.length), { end: readChildEnd(text), number })
    this.#notes = [...notes.values()]
    this.heard = signals.length
  }

  /** Reads the children of a job. @param id the id of the job in Lark */
  static async of(home: JobHome, id: string): Promise<JobChildren> {
    const found = await home.store.jobs.handle(EveryJob, id, { queue: home.queue }).status()
    if (found === undefined) return new JobChildren([])
    const { store } = await opened(home.store.jobs)
    return new JobChildren((await store.journals.read(found.partition, id, 0))?.signals ?? [])
  }

  /**
   * Tells a job of new children.
   *
   * @returns whether the job has room for them
   */
  static async note({ store }: JobHome, parent: JobPlace, notes: readonly ChildNote[]): Promise<boolean> {
    const signal = { name: ADDED, text: JSON.stringify(notes), key: `${notes[0]!.flow}/${notes.length}` }
    const { store: inner } = await opened(store.jobs)
    return (await inner.journals.signal(parent.partition, parent.id, signal)) !== 'full'
  }

  get isEmpty(): boolean {
    return this.#notes.length === 0
  }

  #endOf({ flow }: ChildNote): ChildEnd | undefined {
    return this.#ends.get(flow)?.end
  }

  #isPending(note: ChildNote): boolean {
    const end = this.#endOf(note)
    if (end === undefined) return true
    return end.state !== 'completed' && end.reason !== 'removed' && note.rule === 'wait'
  }

  #hasFailed(note: ChildNote): boolean {
    const end = this.#endOf(note)
    return end !== undefined && end.state !== 'completed' && end.reason !== 'removed'
  }

  /** The children that the job still waits for. */
  get pending(): ChildNote[] {
    return this.#notes.filter((note) => this.#isPending(note))
  }

  /** The first child whose failure makes the job fail. */
  get failed(): ChildNote | undefined {
    return this.#notes.find((note) => note.rule === 'fail' && this.#hasFailed(note))
  }

  /**
   * Whether a child has failed, and its failure makes the job start at once, without waiting for the other
   * children.
   *
   * @param heard a failure counts only if the number of its signal is not lower than this
   */
  startsAfter(heard: number): boolean {
    return this.#notes.some(
      (note) => note.rule === 'now' && this.#hasFailed(note) && this.#ends.get(note.flow)!.number >= heard,
    )
  }

  /**
   * The signals that make a waiting job look at its children again: the end of each child whose failure the
   * job must notice at once, and the end of the last child. Therefore most children end without a run of the
   * job.
   */
  get waits(): string[] {
    const { pending } = this
    const urgent = pending.filter(({ rule }) => rule === 'fail' || rule === 'now').slice(0, MOST)
    return [...new Set([...urgent, ...pending.slice(-1)])].map(({ flow }) => childSignal(flow))
  }

  /** @throws RESULT_DROPPED if the value that a child returned was not kept */
  get dependencies(): Dependencies {
    const all: Dependencies = { processed: {}, unprocessed: [], ignored: {}, failed: [] }
    for (const note of this.#notes) {
      const { key, rule } = note
      const end = this.#endOf(note)
      if (end?.reason === 'removed') continue
      if (end?.state === 'completed') all.processed[key] = returned(key, end)
      else if (this.#isPending(note)) all.unprocessed.push(key)
      else if (rule === 'fail') all.failed.push(key)
      else if (rule !== 'remove') all.ignored[key] = end!.error ?? `cancelled: ${end!.reason}`
    }
    return all
  }

  /**
   * Asks the flows of the children that have not ended to tell their ends again, because a server may have
   * lost them. A child that is gone counts as ended.
   */
  async ask({ store }: JobHome): Promise<void> {
    const { store: inner } = await opened(store.jobs)
    const book = new FlowBook({ store: inner })
    for (const { flow, home } of this.pending)
      if ((await book.tellAgain({ flow, home })) === undefined)
        this.#ends.set(flow, { end: { state: 'cancelled', at: 0, reason: 'removed' }, number: this.heard })
  }
}

/** The place of a job in the store. */
export interface JobPlace {
  partition: string
  id: string
}

function returned(key: string, { result = null, dropped }: ChildEnd): unknown {
  if (dropped === undefined) return result
  const message = `The job ${key} completed, but what its processor returned was not kept: ${dropped}`
  throw new JobsError('RESULT_DROPPED', message)
}

/**
 * An entry that a job writes to its journal each time it is suspended because of its children: the number of
 * the run, how many signals the job knew, and whether the processor was not called in this run. It has the
 * form of the entry with which a job with steps records how long a run took.
 */
export interface Rest {
  run: number
  heard: number
  isSilent: boolean
}

export function writeRest({ run, heard, isSilent }: Rest): string {
  return `m\n${run}|0|${heard}|${isSilent ? 1 : 0}`
}

/** Reads the entries of a journal that `writeRest` wrote. */
export function restsIn(entries: readonly string[]): Rest[] {
  const rests = entries.map((entry) => /^m\n(\d+)\|0\|(\d+)\|([01])$/.exec(entry))
  return rests
    .filter((found) => found !== null)
    .map(([, run, heard, isSilent]) => ({
      run: Number(run),
      heard: Number(heard),
      isSilent: isSilent === '1',
    }))
}
