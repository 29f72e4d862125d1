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
  /** How many members the batch has. */
  size?: number | undefined
  /** A match for the payload of each member. */
  match?: PayloadMatch<J> | undefined
}

/** What a schedule must match: some fields of the object that `Jobs.schedules.get()` returns. */
export type ScheduleMatch = PartOf<Pick<ScheduleInfo, 'key' | 'queue' | 'when' | 'timezone' | 'payload'>>

/** The function that is called by the test. The stack of an error begins at its caller. */
type Below = (...args: never[]) => unknown

export abstract class Assertions {
  /** @internal */
  protected abstract readonly dispatches: Dispatches
  /** How many dispatches have no answer yet. @internal */
  protected abstract readonly underway: number

  /**
   * The jobs that were dispatched so far, in order, including jobs of flows and jobs that have already run.
   */
  get dispatched(): readonly DispatchedJob[] {
    return [...this.dispatches.jobs]
  }

  /** The flows that were dispatched so far, in order. */
  get flows(): readonly DispatchedFlow[] {
    return [...this.dispatches.flows]
  }

  /** The schedules that were set so far, each as `Jobs.schedules.get()` showed it when it was set. */
  get schedules(): readonly ScheduleInfo[] {
    return [...this.dispatches.schedules]
  }

  /**
   * The dispatched jobs of a class that match, in order, without jobs that were rejected.
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
   * Forgets all dispatches so far, so that the next assertions are about later dispatches. The jobs stay in
   * the store.
   */
  forget(): void {
    this.dispatches.clear()
  }

  /**
   * Asserts that a job of the class was dispatched, with a payload that matches.
   *
   * @param of a class, or the key of one
   * @param match a part of the payload, or a function that says whether a payload matches. Default: any
   *   payload
   * @param conditions further conditions; `times`: how many such jobs there must be. Default: at least one
   * @returns the first such job
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

  /** Asserts that no job of the class with a matching payload was dispatched. @throws FAKE_ASSERTION */
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

  /** Asserts that no job and no flow was dispatched. @throws FAKE_ASSERTION */
  assertNothingDispatched(): void {
    const { jobs, flows } = this.dispatches
    if (jobs.length + flows.length > 0)
      throw this.#failure(this.assertNothingDispatched, (account) => account.ofSomething())
  }

  /**
   * Asserts that jobs were dispatched in this order. Other jobs may come before, between and after them.
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
   * Asserts that a chain of exactly these steps was dispatched. Callbacks do not count.
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
   * Asserts that a batch was dispatched.
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
   * Asserts that a workflow was dispatched.
   *
   * @param name the name of the workflow
   * @param nodes the names of nodes, each with the names of the nodes that it waits for. The workflow may
   *   have more nodes
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
   * Asserts that a schedule was set: by `Jobs.schedules.set()`, or by a class after `drain({ withSchedules:
   * true })`.
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
