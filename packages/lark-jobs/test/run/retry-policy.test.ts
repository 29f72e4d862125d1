import { expect, test } from 'vitest'
import { backoff, Job, NonRetryableError } from '../../src/index.ts'
import type { JobOptions } from '../../src/model/record.ts'
import { tickId } from '../../src/model/tick.ts'
import { classOf, type JobConstructor } from '../../src/options/job-class.ts'
import type { Execution } from '../../src/run/execution.ts'
import { retryIn } from '../../src/run/retry-policy.ts'

const written: string[] = []
const NOW = 10_000_000

/** Returns the retry that the lease thread expects if the job fails. @param fields of the class */
function expected(
  fields: object,
  claimed: { id?: string; failures?: number; options?: JobOptions } = {},
  inMs = 1_000,
) {
  class ExpectedJob extends Job {
    constructor() {
      super()
      Object.assign(this, fields)
    }
    handle() {}
  }
  const jobClass = classOf(ExpectedJob as unknown as JobConstructor)
  const running = {
    job: { id: '0000000000000', failures: 0, queuedAt: NOW, ...claimed },
    run: { write: (_: string, text: string) => written.push(text) },
    environment: { clock: { now: () => NOW } },
  } as unknown as Execution
  return retryIn(new Error('blocked'), running, jobClass, inMs)
}

test('the expected retry is the same as after a real failure, and writes nothing to the log', () => {
  expect(expected({ backoff: '5s' })).toBe(5_000)
  expect(expected({ backoff: '5s' }, { failures: 13 })).toBe(5_000)
  expect(expected({ backoff: '5s' }, { failures: 14 })).toBeUndefined()
  expect(expected({ backoff: '5s', tries: 1 })).toBeUndefined()
  expect(expected({ backoff: '5s' }, { options: { tries: 1 } })).toBeUndefined()
  // The time until the failure counts, too.
  const timed = { retryUntil: 6_000, backoff: 5_000, tries: 1 }
  expect(expected(timed, {}, 1_000)).toBe(5_000)
  expect(expected(timed, {}, 1_001)).toBeUndefined()
  expect(expected(timed, { options: { retryUntil: 0 } })).toBeUndefined()
  // The job of a tick is queued a little before the tick.
  const ahead = { id: tickId({ schedule: 'nightly', at: NOW + 250 }) }
  expect(expected(timed, ahead, 1_250)).toBe(5_000)
  expect(expected(timed, ahead, 1_251)).toBeUndefined()
  expect(expected({ backoff: backoff((attempt, error) => error.message.length * attempt) })).toBe(7)
  expect(expected({ backoff: () => 'soon' })).toBeGreaterThanOrEqual(500)
  // The lease thread cannot wait for an answer.
  expect(expected({ backoff: async () => 7_000_000 })).toBeLessThanOrEqual(1_000)
  expect(expected({ retryIf: () => false })).toBeUndefined()
  expect(
    expected({
      retryIf: () => {
        throw new NonRetryableError('what is this?')
      },
      backoff: 3,
    }),
  ).toBe(3)
  expect(written).toEqual([])
})
