/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The test kit for applications. Jobs that a test dispatches go to a store in memory, and the test decides
 * when the jobs run, what time it is, and which errors occur.
 *
 * @module @s18i/lark-jobs/testing
 */
import { Jobs as DefaultJobs } from './api/default-jobs.ts'
import type { Jobs as Instance } from './api/jobs.ts'
import { Fake, type FakeOptions } from './testing/fake.ts'

export type { Assertions, BatchConditions, ScheduleMatch } from './testing/assertions.ts'
export type { Runs } from './testing/crew.ts'
export type { DispatchedFlow, DispatchedJob, DispatchedNode } from './testing/dispatches.ts'
export type { ClassOrKey, DispatchConditions, PayloadMatch, StepMatch } from './testing/expectation.ts'
export type { DrainOptions, Fake, FakeOptions, OutageOptions } from './testing/fake.ts'
export type { Matcher, PartOf } from './testing/matching.ts'
export type { SpiedEvent, Spy } from './testing/spy.ts'

/** The instance of `Jobs` that the application uses, for tests. */
export interface TestJobs extends Instance {
  /**
   * From this call until the fake ends, everything that this test does with `Jobs` uses a separate store in
   * memory. This includes dispatches, flows, schedules and handles in all code that the test calls. Other
   * tests do not see this store, even if they run at the same time.
   *
   * @example
   * test('a new user gets an email', async () => {
   *   using fake = Jobs.fake()
   *   await signUp('a@b.c')
   *   fake.assertDispatched(SendEmailJob, { to: 'a@b.c' })
   *   await fake.drain()
   * })
   */
  fake(options?: FakeOptions): Fake
}

export const Jobs = Object.defineProperty(DefaultJobs, 'fake', {
  configurable: true,
  value: (options: FakeOptions = {}) => new Fake(options),
}) as TestJobs
