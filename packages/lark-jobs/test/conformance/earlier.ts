/**
 * Jobs in a store with an earlier layout: small and large jobs that wait, are active or have ended. `leave`
 * makes the jobs, also those of a fixture (`CONTRIBUTING.md`). `goesOn` runs the jobs after the store was
 * migrated.
 */
import { expect } from 'vitest'
import type { ClaimedJob } from '../../src/model/record.ts'
import { MAX_BYTES, type Store } from '../../src/store/contract/store.ts'
import { Caller } from './caller.ts'
import { take } from './effects.ts'
import { completed, failed, job } from './jobs.ts'

const id = (name: string) => name.padStart(13, '0')
const text = (name: string) => JSON.stringify({ text: name.repeat(2_000) })
const small = (name: string) => job({ id: id(name) })
const large = (name: string) => job({ id: id(name), payload: text(name) })

export async function leave(store: Store): Promise<void> {
  const [web, ada] = [new Caller(store, 'web', 'emails'), new Caller(store, 'ada', 'emails')]
  await ada.run(small('completed'), completed)
  for (const one of [small('failed'), large('largeFailed')]) await ada.run(one, failed)
  await web.enqueue(small('active'), large('largeActive'))
  await ada.claim(2)
  const group = { name: 'acme', limits: { concurrency: 1 } }
  const lockOf = (name: string) => ({ name, until: 'done' }) as const
  await web.enqueue(
    { ...small('waiting'), priority: 5, options: { tries: 3 } },
    { ...small('delayed'), delay: 60_000 },
    { ...small('cancelled'), hooked: true },
    { ...small('unique'), lock: lockOf('ada') },
    { ...large('largeUnique'), lock: lockOf('bob') },
    { ...small('grouped'), group },
    { ...large('largeGrouped'), group },
  )
  const xs = 'x'.repeat(400_000)
  for (const n of [1, 2, 3, 4])
    await web.enqueue({ ...small(`large${n}`), payload: JSON.stringify({ n, text: xs }) })
  await store.alter('emails', [id('cancelled')], { kind: 'cancel', reason: 'user' })
}

/** Runs the jobs of a migrated store. @param other a second handle on the store */
export async function goesOn(store: Store, other: Store): Promise<void> {
  const [hook, ...others] = await take(store)
  expect(hook).toMatchObject({
    kind: 'hook',
    job: { id: id('cancelled'), state: 'cancelled', reason: 'user' },
  })
  expect(others).toEqual([])
  const counts = { waiting: 9, delayed: 1, active: 2, completed: 1, failed: 2, cancelled: 1 }
  expect(await other.counts('emails')).toMatchObject(counts)
  expect((await store.heads('emails', { state: 'waiting' })).jobs).toHaveLength(counts.waiting)
  const bob = new Caller(store, 'bob', 'emails')
  const claims: ClaimedJob[][] = []
  for (let claim = await bob.claim(100); claim.length > 0; claim = await bob.claim(100)) claims.push(claim)
  const claimed = new Map(claims.flat().map((each) => [each.id, each]))
  expect(claimed.get(id('largeUnique'))?.payload).toBe(text('largeUnique'))
  expect(claimed.get(id('waiting'))).toMatchObject({ payload: '{"to":"ada"}', options: { tries: 3 } })
  for (let n = 1; n <= 4; n++) expect(JSON.parse(claimed.get(id(`large${n}`))!.payload)).toMatchObject({ n })
  for (const claim of claims)
    expect(claim.reduce((bytes, { payload }) => bytes + payload.length, 0)).toBeLessThanOrEqual(MAX_BYTES)
  for (const one of claims.flat()) await bob.settle(one, completed)
  // The jobs that were active, and the second job of a group, which waited for the first job.
  await store.recover('emails', { holder: 'ada' })
  const rest = new Map((await bob.claim(9)).map((each) => [each.id, each.payload]))
  expect(rest.get(id('largeActive'))).toBe(text('largeActive'))
  expect(rest.get(id('largeGrouped'))).toBe(text('largeGrouped'))
  expect((await store.get('emails', id('largeFailed')))?.payload).toBe(text('largeFailed'))
  await store.alter('emails', [id('largeFailed')], { kind: 'retry' })
  expect((await bob.claimOne()).payload).toBe(text('largeFailed'))
  await store.alter('emails', [id('failed')], { kind: 'edit', payload: text('edited') })
  expect((await other.get('emails', id('failed')))?.payload).toBe(text('edited'))
}
