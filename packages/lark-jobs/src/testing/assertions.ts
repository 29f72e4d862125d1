/**
 * The assertions of a test about the jobs, flows and schedules that were dispatched into its fake. A failed
 * assertion says what was dispatched instead (`account.ts`), and its stack begins at the line of the test.
 */
import { JobsError } from '../model/errors.ts'
import type { FlowKind } from '../model/flow.ts'
import type { ScheduleInfo } from '../operate/schedules/schedule-info.ts'
import type { JobLike } from '../options/job-class.ts'
import { Account } from './account.ts'
import type { DispatchedFlow, DispatchedJob, Dispatches } from './dispatches.ts'
import {
  type ClassOrKey,
  type DispatchConditions,
  Expectation,
  type PayloadMatch,
  type StepMatch,
} from './expectation.ts'
import { differences, type PartOf } from './matching.ts'

/** Conditions for a batch. */
export interface BatchConditions<J extends JobLike = JobLike> {
  name?: string | undefined
  /** How many members it has. */
  size?: number | undefined
  /** What the payload of each member matches. */
  match?: PayloadMatch<J> | undefined
}

/** What a schedule must match: a part of what `Jobs.schedules.get()` returns. */
export type ScheduleMatch = PartOf<Pick<ScheduleInfo, 'key' | 'queue' | 'when' | 'timezone' | 'payload'>>

/** Where the stack of an error begins: below this function. */
type Below = (...args: never[]) => unknown

export abstract class Assertions {
  /** @internal */
  protected abstract readonly dispatches: Dispatches
  /** How many dispatches have no answer yet. @internal */
  protected abstract readonly underway: number

  /** The jobs that were dispatched so far, in order; also those that have run since, and those of flows. */
  get dispatched(): readonly DispatchedJob[] {
    return [...this.dispatches.jobs]
  }

  /** The flows that were dispatched so far, in order. */
  get flows(): readonly DispatchedFlow[] {
    return [...this.dispatches.flows]
  }

  /** The schedules that were set so far, as `Jobs.schedules.get()` showed them then. */
  get schedules(): readonly ScheduleInfo[] {
    return [...this.dispatches.schedules]
  }

  /**
   * The jobs of a class that were dispatched so far and match, in order, without the jobs that were rejected
   * on purpose.
   *
   * @param of a class, or the key of one
   * @example expect(fake.all(SendEmailJob).map(({ payload }) => payload.to)).toEqual(['a@b.c', 'd@e.f'])
   */
  all<J extends JobLike>(
    of: ClassOrKey<J>,
    match?: PayloadMatch<J>,
    conditions?: DispatchConditions,
  ): DispatchedJob<J>[] {
    return this.#of(new Expectation(of, match, conditions)) as DispatchedJob<J>[]
  }

  /**
   * Forgets what was dispatched so far, so that the next assertions are about what follows. The jobs stay in
   * the store.
   */
  forget(): void {
    this.dispatches.clear()
  }

  /**
   * A job of the class was dispatched, with a payload that matches.
   *
   * @param of a class, or the key of one
   * @param match a part of the payload, or a function that says whether a payload matches. Default: any
   *   payload
   * @param conditions further conditions; `times`: how many there must be. Default: at least one
   * @returns the first one
   * @throws FAKE_ASSERTION
   * @example fake.assertDispatched(SendEmailJob, { to: 'a@b.c' })
   * @example fake.assertDispatched(SendEmailJob, ({ to }) => to.endsWith('@b.c'), { queue: 'emails', delay: '5m', times: 2 })
   */
  assertDispatched<J extends JobLike>(
    of: ClassOrKey<J>,
    match?: PayloadMatch<J>,
    { times, ...conditions }: DispatchConditions & { times?: number | undefined } = {},
  ): DispatchedJob<J> {
    const expected = new Expectation(of, match, conditions)
    const found = this.#of(expected)
    if (times === undefined ? found.length > 0 : found.length === times) return found[0] as DispatchedJob<J>
    const many = times === undefined ? 'no job' : `not ${times}, but ${found.length}`
    const verb = times === undefined || found.length === 1 ? 'was' : 'were'
    throw this.#failure(this.assertDispatched, (account) => account.ofMissing(many, verb, expected))
  }

  /** No job of the class was dispatched that matches. @throws FAKE_ASSERTION */
  assertNotDispatched<J extends JobLike>(
    of: ClassOrKey<J>,
    match?: PayloadMatch<J>,
    conditions?: DispatchConditions,
  ): void {
    const expected = new Expectation(of, match, conditions)
    const found = this.#of(expected)
    if (found.length > 0)
      throw this.#failure(this.assertNotDispatched, (account) => account.ofUnexpected(expected, found))
  }

  /** No job was dispatched, and no flow. @throws FAKE_ASSERTION */
  assertNothingDispatched(): void {
    const { jobs, flows } = this.dispatches
    if (jobs.length + flows.length > 0)
      throw this.#failure(this.assertNothingDispatched, (account) => account.ofSomething())
  }

  /**
   * Jobs were dispatched in this order. There may be others before, between and after them.
   *
   * @throws FAKE_ASSERTION
   * @example fake.assertOrder([ChargeJob, [SendEmailJob, { to: 'a@b.c' }]])
   */
  assertOrder(steps: readonly StepMatch[]): void {
    let at = -1
    const before: string[] = []
    for (const expected of steps.map((step) => Expectation.of(step))) {
      at = this.dispatches.jobs.findIndex((job, index) => index > at && expected.isMetBy(job))
      if (at < 0)
        throw this.#failure(this.assertOrder, (account) =>
          account.ofMissing('no job', 'was', expected, before.join(', ')),
        )
      before.push(expected.name)
    }
  }

  /**
   * A chain of exactly these steps was dispatched. Callbacks do not count.
   *
   * @returns it
   * @throws FAKE_ASSERTION
   * @example fake.assertChain([FetchJob, [ResizeJob, { width: 400 }]])
   */
  assertChain(steps: readonly StepMatch[]): DispatchedFlow {
    const expected = steps.map((step) => Expectation.of(step))
    const words = `chain of ${expected.map(({ name }) => name).join(' → ')}`
    return this.#flow(this.assertChain, 'chain', words, ({ nodes }) => {
      const own = nodes.filter(({ on }) => on === undefined)
      return own.length === expected.length && own.every((node, i) => expected[i]!.isMetBy(node as never))
    })
  }

  /**
   * A batch was dispatched.
   *
   * @param of the class of its members, or their key
   * @returns it
   * @throws FAKE_ASSERTION
   * @example fake.assertBatch(ImportRowJob, { name: 'import', size: 3 })
   */
  assertBatch<J extends JobLike>(of: ClassOrKey<J>, conditions: BatchConditions<J> = {}): DispatchedFlow {
    const { name, size, match } = conditions
    const expected = new Expectation(of, match)
    const many = size === undefined ? '' : `${size} `
    const words = `batch${name === undefined ? '' : ` '${name}'`} of ${many}${expected.name}`
    return this.#flow(this.assertBatch, 'batch', words, (flow) => {
      const isNamed = name === undefined || flow.name === name
      const isLarge = size === undefined || flow.members.length === size
      return isNamed && isLarge && flow.members.every((member) => expected.isMetBy(member))
    })
  }

  /**
   * A workflow was dispatched.
   *
   * @param name of the workflow
   * @param nodes the names of nodes, each with the names of those that it waits for. The workflow may have
   *   others
   * @returns it
   * @throws FAKE_ASSERTION
   * @example fake.assertWorkflow('order', { ChargeJob: [], PackJob: ['ChargeJob'] })
   */
  assertWorkflow(name: string, nodes: Readonly<Record<string, readonly string[]>> = {}): DispatchedFlow {
    const sorted = (names: readonly string[]) => JSON.stringify([...names].sort())
    const expected = Object.entries(nodes)
    const after = expected.map(([node, names]) =>
      names.length > 0 ? `${node} after ${names.join(', ')}` : node,
    )
    const words = `workflow '${name}'${after.length > 0 ? ` with ${after.join('; ')}` : ''}`
    return this.#flow(this.assertWorkflow, 'workflow', words, (flow) => {
      const has = ([node, names]: [string, readonly string[]]) =>
        flow.nodes.some((each) => each.name === node && sorted(each.after) === sorted(names))
      return flow.name === name && expected.every(has)
    })
  }

  /**
   * A schedule was set: by `Jobs.schedules.set()`, or, after a drain `withSchedules`, by a class.
   *
   * @returns it
   * @throws FAKE_ASSERTION
   * @example fake.assertScheduled('report-7', { when: '0 8 * * *', payload: { tenant: 7 } })
   */
  assertScheduled(id: string, match: ScheduleMatch = {}): ScheduleInfo {
    const found = this.dispatches.schedules.find((each) => each.id === id)
    if (found !== undefined && differences(match, found).length === 0) return found
    throw this.#failure(this.assertScheduled, (account) => account.ofSchedule(id, match))
  }

  #of(expected: Expectation): DispatchedJob[] {
    return this.dispatches.jobs.filter((job) => expected.isMetInFull(job))
  }

  #flow(
    caller: Below,
    kind: FlowKind,
    words: string,
    isIt: (flow: DispatchedFlow) => boolean,
  ): DispatchedFlow {
    const found = this.dispatches.flows.find((flow) => flow.kind === kind && isIt(flow))
    if (found !== undefined) return found
    throw this.#failure(caller, (account) => account.ofFlow(words))
  }

  #failure(caller: Below, textOf: (account: Account) => string): JobsError {
    const text = textOf(new Account(this.dispatches, this.underway))
    return toldAt(caller, new JobsError('FAKE_ASSERTION', `${caller.name}(): ${text}`))
  }
}

/** Makes the stack of an error begin with the caller of a function. */
export function toldAt(caller: Below, error: JobsError): JobsError {
  Error.captureStackTrace(error, caller)
  return error
}
