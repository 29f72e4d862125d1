/**
 * Sends the store the results that the steps of running jobs record, and passes signals for these jobs to
 * their steps. Each partition has one call at a time. Results that come in one tick, or during a call, are
 * sent together in the next call.
 */
import type { Execution } from '../../run/execution.ts'
import { MAX_ITEMS, type Recording, type StepsNote, type Store } from '../../store/contract/store.ts'
import { Part } from '../part.ts'
import { leaseLost, lose } from './lease-keeper.ts'

export interface StepKeeperOptions {
  store: Store
  running: ReadonlySet<Execution>
  trouble: (error: unknown) => void
}

/** Milliseconds before results are sent again to a store that did not answer. */
const PAUSE = 100

export class StepKeeper extends Part {
  readonly #options: StepKeeperOptions
  /**
   * The jobs of the next call, by partition. A partition has an entry while a call is under way or planned.
   */
  readonly #next = new Map<string, Set<Execution>>()
  readonly #calls = new Set<Promise<void>>()
  /**
   * A test may replace the timers later, so the worker keeps the `setImmediate` of the time when it was made.
   */
  readonly #immediate = setImmediate

  constructor(options: StepKeeperOptions) {
    super()
    this.#options = options
  }

  /** Called when steps of a job have ended, or when a job asks for its signals. */
  record(running: Execution): void {
    const { partition } = running.claimer
    const next = this.#next.get(partition)
    if (next !== undefined) {
      next.add(running)
      return
    }
    const first = new Set([running])
    this.#next.set(partition, first)
    this.#soon(partition, first)
  }

  /** Called when a signal has come for a job. */
  hear(partition: string, id: string): void {
    for (const running of this.#options.running)
      if (running.job.id === id && running.claimer.partition === partition) running.signalled()
  }

  /** Waits for calls that are under way. */
  protected override async onStop(): Promise<void> {
    await Promise.all(this.#calls)
  }

  #soon(partition: string, next: Set<Execution>): void {
    this.#immediate(() => {
      const call = this.#send(partition, next)
      this.#calls.add(call)
      void call.then(() => this.#calls.delete(call))
    })
  }

  async #send(partition: string, next: Set<Execution>): Promise<void> {
    const held: Execution[] = []
    for (const running of next)
      if (!running.abandoned && this.#options.running.has(running)) held.push(running)
      else running.stepsIfAny?.answered([], leaseLost(running))
    next.clear()
    for (let i = 0; i < held.length; i += MAX_ITEMS) await this.#call(partition, held.slice(i, i + MAX_ITEMS))
    if (next.size > 0) this.#soon(partition, next)
    else this.#next.delete(partition)
  }

  async #call(partition: string, held: readonly Execution[]): Promise<void> {
    const { store, trouble } = this.#options
    const group: Execution[] = []
    const notes: StepsNote[] = []
    for (const running of held) {
      const { id, token } = running.job
      const { steps, heard } = running.stepsIfAny?.take() ?? {}
      if (steps === undefined && heard === undefined) continue
      const note: StepsNote = { id, token }
      if (steps !== undefined) note.steps = steps
      if (heard !== undefined) note.heard = heard
      group.push(running)
      notes.push(note)
    }
    if (notes.length === 0) return
    try {
      const recording = await store.journals.record(partition, notes)
      for (const running of group) this.#tell(running, recording)
      if (recording.unsafe !== undefined) trouble(recording.unsafe)
    } catch (error) {
      for (const running of group) this.#again(running)
      trouble(error)
    }
  }

  #tell(running: Execution, { lost, signals, short, unsafe }: Recording): void {
    const { stepsIfAny: steps, job } = running
    if (lost.length > 0 && lost.includes(job.id)) {
      steps!.answered([], leaseLost(running))
      if (this.#options.running.has(running)) lose(running)
    } else if (unsafe !== undefined) this.#again(running)
    else {
      const its = signals?.find(({ id }) => id === job.id)
      const known = short?.find(({ id }) => id === job.id)
      steps!.answered(its?.signals ?? [], undefined, known?.count)
    }
  }

  #again(running: Execution): void {
    running.stepsIfAny!.unanswered()
    setTimeout(() => this.record(running), PAUSE)
  }
}
