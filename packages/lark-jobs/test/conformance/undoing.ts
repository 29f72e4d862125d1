/**
 * Jobs with steps to undo: a job with such steps ends as failed or cancelled only after a run has undone
 * them, whichever caller ends the job.
 */
import { expect, test } from 'vitest'
import type { ClaimedJob, JobRecord, Outcome } from '../../src/model/record.ts'
import { MAX_CRASHES } from '../../src/store/contract/rules/capacity.ts'
import { MAX_SIGNALS } from '../../src/store/contract/store.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, job, jobError, retried } from './jobs.ts'

const suspended: Outcome = { kind: 'suspended', in: 60_000, waits: [], heard: MAX_SIGNALS }
const end = `f${JSON.stringify(jobError())}`
const cancel = { kind: 'cancel', reason: 'user', because: 'no trip' } as const

function pause(ms: number, undoing: string): Outcome {
  return { kind: 'suspended', in: ms, waits: [], heard: MAX_SIGNALS, undoing }
}

/** Makes an active job that has a step to undo. */
async function begun(caller: Caller): Promise<ClaimedJob> {
  await caller.enqueue(job())
  const held = await caller.claimOne()
  const note = {
    id: held.id,
    token: held.token,
    steps: { at: 0, entries: ['ba\n'], hasUndos: true as const },
  }
  await caller.store.journals.record('emails', [note])
  return held
}

export function undoing(make: Make): void {
  test('a waiting job with steps to undo is due at once when it is cancelled, and ends when its worker reports the end', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const { id, ...held } = await begun(ada)
    await ada.settle({ id, ...held }, suspended)
    expect(await store.alter('emails', [id, id], cancel)).toEqual(['asked', 'asked'])
    expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', undoing: true })
    expect(await store.get('emails', id)).not.toHaveProperty('suspended')
    expect((await store.standings(['emails']))[0]!.suspended).toBe(0)
    const again = await ada.claimOne()
    expect(again.journal).toMatchObject({ entries: ['ba\n'], undo: 'cuser|no trip' })
    expect(await store.get('emails', id)).toMatchObject({ state: 'active', undoing: true })
    expect(await store.alter('emails', [id], cancel)).toEqual(['asked'])
    const note = { id, token: again.token }
    expect(await store.extend('emails', ada.id, [note], LEASE)).toMatchObject({ notices: [] })
    await ada.settle(again, { kind: 'cancelled', reason: 'user' })
    expect(await store.get('emails', id)).toMatchObject({
      ...{ state: 'cancelled', reason: 'user', because: 'no trip' },
    })
  })

  test('if a cancel is undone before a run has begun to undo the steps, the job goes on', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const ids: string[] = []
    for (const outcome of [suspended, retried(9_000)]) {
      const held = await begun(ada)
      await ada.settle(held, outcome)
      ids.push(held.id)
    }
    const records = (await Promise.all(ids.map((id) => store.get('emails', id)))) as JobRecord[]
    expect(await store.alter('emails', ids, cancel)).toEqual(['asked', 'asked'])
    clock.advance(10)
    expect(await store.undo('emails', records)).toEqual(['done', 'done'])
    const [waits, fails] = await Promise.all(ids.map((id) => store.get('emails', id)))
    expect(waits).toMatchObject({ state: 'waiting' })
    expect(waits).not.toHaveProperty('undoing')
    expect(fails).toEqual(records[1])
    expect((await store.standings(['emails']))[0]).toMatchObject({ retrying: 1, counts: { delayed: 1 } })
    expect((await ada.claimOne()).journal).toMatchObject({ entries: ['ba\n'], undo: '' })
    // From now on, a run undoes the steps of the job.
    await store.alter('emails', [ids[1]!], cancel)
    await ada.claimOne()
    expect(await store.undo('emails', [records[1]!])).toEqual(['refused'])
  })

  test.each<[string, Outcome]>([
    ['tries again', retried(9_000)],
    ['is released', { kind: 'released', in: 9_000 }],
    ['is suspended', suspended],
    ['was cancelled', { kind: 'cancelled', reason: 'user' }],
  ])('a running job that somebody cancels, and that %s: it is undone first', async (_, outcome) => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const held = await begun(ada)
    expect(await store.alter('emails', [held.id], cancel)).toEqual(['asked'])
    await ada.settle(held, outcome)
    const again = await ada.claimOne()
    expect(again).toMatchObject({ id: held.id, failures: 0, journal: { undo: 'cuser|no trip' } })
  })

  test('the steps of a job that fails for good are undone first, also during a pause', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const held = await begun(ada)
    await ada.settle(held, failed)
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'waiting', undoing: true, errors: [] })
    expect((await ada.claimOne()).journal).toMatchObject({ undo: end })
    clock.advance(LEASE + 1)
    await store.recover('emails')
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'waiting', undoing: true, crashes: 1 })
    const [again] = await ada.claimAlone()
    await ada.settle(again!, pause(5_000, end))
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'delayed', undoing: true, crashes: 0 })
    expect(await ada.claim()).toEqual([])
    clock.advance(5_000)
    await ada.settle(await ada.claimOne(), failed)
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'failed', failures: 1 })

    // Steps that were not undone must be undone if the job fails again.
    await store.alter('emails', [held.id], { kind: 'retry' })
    const anew = await ada.claimOne()
    expect(anew.journal).toMatchObject({ undo: '' })
    await ada.settle(anew, completed)
    expect(await store.get('emails', held.id)).toMatchObject({ state: 'completed' })
  })

  test('the steps of a job that crashes too often are undone first; if the job crashes as often again, it fails', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const { id } = await begun(ada)
    const die = async () => {
      clock.advance(LEASE + 1)
      expect(await store.recover('emails', { fromWithin: true })).toMatchObject({ crashed: [id] })
    }
    await die()
    for (let crashes = 1; crashes < MAX_CRASHES; crashes++) {
      expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', crashes })
      await ada.claimAlone()
      await die()
    }
    expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', crashes: 0, undoing: true })
    for (let crashes = 0; crashes < MAX_CRASHES; crashes++) {
      const [held] = await ada.claimAlone()
      expect(held!.journal!.undo).toMatch(/^f.*WORKER_DIED/s)
      await die()
    }
    expect(await store.get('emails', id)).toMatchObject({ state: 'failed', crashes: MAX_CRASHES })
  })

  test('a job whose class no worker knows any more ends as lost, and its steps can be undone after a retry', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const lost = { kind: 'cancel', reason: 'lost', because: 'nobody knows it' } as const
    const { id, ...held } = await begun(ada)
    await ada.settle({ id, ...held }, suspended)
    for (const _ of ['suspended', 'undoing']) {
      expect(await store.alter('emails', [id], lost)).toEqual(['done'])
      expect(await store.get('emails', id)).toMatchObject({ state: 'cancelled', reason: 'lost' })
      expect(await store.get('emails', id)).not.toHaveProperty('undoing')
      expect((await store.standings(['emails']))[0]!.suspended).toBe(0)
      expect(await store.alter('emails', [id], { kind: 'retry' })).toEqual(['done'])
      expect(await store.alter('emails', [id], cancel)).toEqual(['asked'])
      expect(await store.get('emails', id)).toMatchObject({ state: 'waiting', undoing: true })
    }
    expect((await ada.claimOne()).journal).toMatchObject({ entries: ['ba\n'], undo: 'cuser|no trip' })
  })

  test('an outcome that comes late counts also if the job has steps to undo', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const [one, other] = [await begun(ada), await begun(ada)]
    clock.advance(LEASE + 1)
    await store.recover('emails', { forgiving: true })
    expect(await ada.settle(one, completed)).toBe('settled')
    expect(await store.get('emails', one.id)).toMatchObject({ state: 'completed' })
    expect(await ada.settle(other, failed)).toBe('settled')
    expect(await store.get('emails', other.id)).toMatchObject({ state: 'waiting', undoing: true })
  })

  test('the steps of a cancelled job whose worker dies are undone first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const ada = harness.caller()
    const { id } = await begun(ada)
    await store.alter('emails', [id], cancel)
    clock.advance(LEASE + 1)
    await store.recover('emails')
    const [held] = await ada.claimAlone()
    expect(held).toMatchObject({ id, journal: { undo: 'cuser|no trip' } })
  })

  test('the steps to undo are moved with their job, and nothing of them is left when the job is removed', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller()
    const held = await begun(ada)
    await ada.settle(held, pause(9_000, 'cuser|x-secret-x'))
    const { jobs: moving } = await store.moves.take('emails', [held.id], ['mails'])
    await store.moves.put('mails', moving)
    await store.moves.settle('emails', moving)
    expect(await store.get('mails', held.id)).toMatchObject({ state: 'delayed', undoing: true })
    await store.alter('mails', [held.id], { kind: 'run-now' })
    const bob = harness.caller('bob', 'mails')
    const again = await bob.claimOne()
    expect(again.journal).toMatchObject({ entries: ['ba\n'], undo: 'cuser|x-secret-x' })
    await bob.settle(again, completed)
    await store.alter('mails', [held.id], { kind: 'remove' })
    await store.alter('emails', [held.id], { kind: 'purge', isElsewhere: true })
    expect(await harness.mentions('x-secret-x')).toEqual([])
  })
}
