/**
 * The hash of watches must not grow: the field of a job is removed when the job ends, whether its watches are
 * valid or have expired.
 */
import { expect, inject, test } from 'vitest'
import { Caller } from '../conformance/caller.ts'
import { completed, ids, jobs } from '../conformance/jobs.ts'
import { newPrefix, removeKeys } from './place.ts'
import { command } from './server.ts'
import { openStore } from './stores.ts'

test('jobs that end after their watches have expired leave no field, although another watch is still valid', async () => {
  const [url, prefix] = [inject('redisUrl'), newPrefix()]
  const clock = { now: Date.UTC(2026, 0, 1) }
  await using store = await openStore(url, { prefix, clock: () => clock.now })
  const caller = new Caller(store, 'ada', 'emails')
  const given = jobs(3)
  await caller.enqueue(...given)
  await store.watch('emails', 'web', ids(given.slice(0, 2)), 1_000)
  await store.watch('emails', 'other', [given[2]!.id], 60_000)
  const fields = () => command(url, 'HLEN', `${prefix}:{emails}:watches`)
  expect(await fields()).toBe(3)
  clock.now += 2_000
  for (const left of [2, 1, 0]) {
    await caller.settle(await caller.claimOne(), completed)
    expect(await fields()).toBe(left)
  }
  await removeKeys(url, prefix)
})
