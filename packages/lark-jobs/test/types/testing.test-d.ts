/**
 * What the types of the test kit promise. Checked by the compiler: every line marked with ts-expect-error
 * must not compile.
 */
import { expect } from 'vitest'
import { Job, Jobs as Ordinary } from '../../src/index.ts'
import { type DispatchedJob, type Fake, Jobs } from '../../src/testing.ts'

class SendEmailJob extends Job {
  async handle(_payload: { to: string; tags?: string[]; user?: { name: string; age: number } }) {
    return { sent: 1 }
  }
}
class PingJob extends Job {
  handle() {}
}

export const jobs: typeof Ordinary = Jobs
// @ts-expect-error the ordinary instance has no fake
Ordinary.fake

export async function asserts(fake: Fake) {
  fake.assertDispatched(SendEmailJob)
  fake.assertDispatched(SendEmailJob, { user: { name: 'Ada' } }, { queue: 'emails', delay: '5m', times: 2 })
  fake.assertDispatched(SendEmailJob, { to: expect.any(String), tags: ['a'] })
  fake.assertDispatched(SendEmailJob, { user: { age: (age: number) => age > 3 } })
  fake.assertDispatched(SendEmailJob, ({ to, user }) => to === user?.name)
  fake.assertDispatched('send-email', { anything: 1 })
  fake.assertDispatched(PingJob)
  // @ts-expect-error to is a text
  fake.assertDispatched(SendEmailJob, { to: 1 })
  // @ts-expect-error there is no such property
  fake.assertDispatched(SendEmailJob, { too: 'a' })
  // @ts-expect-error there is no such condition
  fake.assertDispatched(SendEmailJob, {}, { queueName: 'emails' })
  // @ts-expect-error a user has no such property
  fake.assertNotDispatched(SendEmailJob, ({ user }) => user?.email)
  const { payload } = fake.assertDispatched(SendEmailJob)
  payload.to satisfies string
  const all: DispatchedJob<SendEmailJob>[] = fake.all(SendEmailJob)
  all[0]?.payload.user?.age satisfies number | undefined
}

export async function runs(fake: Fake) {
  const { completed, crashed } = await fake.drain({ withDelayed: '3d', withSchedules: true })
  completed satisfies number
  crashed satisfies number
  const event = await fake.spy(SendEmailJob).completed({ to: 'a' })
  event.result.sent satisfies number
  event.payload.to satisfies string
  const failed = await fake.spy(SendEmailJob).failed()
  failed.error satisfies unknown
  // @ts-expect-error a failed job has no result
  failed.result
  // @ts-expect-error to is a text
  await fake.spy(SendEmailJob).completed({ to: 1 })
  // @ts-expect-error it is calls or answers
  fake.outage('10s', { loses: 'jobs' })
  // @ts-expect-error a duration
  await fake.advance(true)
}

export async function ends() {
  using fake = Jobs.fake({ config: { queues: ['emails'] }, now: new Date() })
  await using other = Jobs.fake()
  return [fake, other].map(({ now }) => now)
}
