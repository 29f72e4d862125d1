/**
 * The actions for changes at a pace: which role each action needs, which inputs are refused, and which data
 * each viewer gets.
 */
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import { operate, type PacedChange } from '@s18i/lark-jobs/operate'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { redisPrefix, sqliteFile } from '../../lark-jobs/test/working/bench.ts'
import { type Dashboard, dashboard, type Role } from '../src/index.ts'
import type { FoundTroubles } from '../src/server/look/troubles.ts'

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle(_: { tenant: string }) {
    throw new Error('The bank is down')
  }
}

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

describe.each([
  ['an embedded store', () => sqliteFile],
  ['Redis', () => redisPrefix(inject('redisUrl'))],
] as const)('changes at a pace on %s', (_, connect) => {
  let place: Awaited<ReturnType<typeof sqliteFile>>
  let jobs: Jobs
  let shown: Dashboard

  beforeEach(async () => {
    place = await connect()()
    const { connection, prefix } = place
    const queues = ['default', 'bulk']
    jobs = createJobs({ connection, jobs: [ChargeJob], queues, ...(prefix !== undefined && { prefix }) })
    const tenants = ['acme', 'acme', 'secret-tenant', 'globex']
    await jobs.dispatch(tenants.map((tenant) => new ChargeJob().with({ tenant })))
    const worker = await jobs.work({ stopWhenEmpty: true, report: silent })
    await worker.done
    shown = dashboard({
      jobs,
      authorize: (request) => {
        const role = request.headers.get('x-role') as Role
        return { role, user: `${role}@example.com` }
      },
    })
  })

  afterEach(async () => {
    await shown.close()
    await jobs.close()
    await place.remove()
  })

  async function look<T>(name: string, role: Role = 'read', input: object = {}): Promise<T> {
    const url = `http://host/api/${name}?input=${encodeURIComponent(JSON.stringify(input))}`
    return (await (await shown(new Request(url, { headers: { 'x-role': role } }))).json()) as T
  }

  async function change<T = PacedChange>(name: string, input: object, role: Role = 'operate') {
    const headers = { 'x-role': role, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
    const body = JSON.stringify(input)
    const answer = await shown(new Request(`http://host/api/${name}`, { method: 'POST', headers, body }))
    return { status: answer.status, body: (await answer.json()) as T & { code?: string; undo?: string } }
  }

  const failed = { change: 'retry', filter: { key: 'charge', state: 'failed' }, limit: 2, per: '1h' }

  test('an operator can begin, pause, resume and stop a change, and the audit has the name of the operator', async () => {
    const counted = await change('changes.begin', { ...failed, dryRun: true })
    expect(counted).toMatchObject({ status: 200, body: { total: 4, limit: 2, per: 3_600_000 } })
    expect(await look('changes.list')).toEqual([])
    const { body: begun } = await change('changes.begin', { ...failed, maxFailed: '10%' })
    expect(begun).toMatchObject({ state: 'running', total: 4, maxFailed: 0.1 })
    expect(begun.by).toMatch(/^operate@example\.com at /)
    const { id } = begun
    const paused = await change('changes.pause', { id, because: 'lunch' })
    expect(paused.body).toMatchObject({ state: 'paused', because: 'lunch', undo: expect.any(String) })
    expect((await change('changes.pause', { id })).body).not.toHaveProperty('undo')
    expect((await change('undo', { undo: paused.body.undo })).body).toMatchObject({ undone: 1, left: 0 })
    expect(await look('changes.list')).toMatchObject([{ id, state: 'running' }])
    await change('changes.pause', { id, because: 'lunch' })
    const resumed = await change('changes.resume', { id })
    expect(resumed.body).toMatchObject({ state: 'running' })
    await change('undo', { undo: resumed.body.undo })
    expect(await look('changes.list')).toMatchObject([{ id, state: 'paused', because: 'lunch' }])
    expect((await change('changes.stop', { id, because: 'enough' })).body).toMatchObject({
      ...{ state: 'stopped', because: 'enough', left: 4 },
    })
    // A change that has ended cannot be resumed.
    expect((await change('changes.resume', { id })).body).toMatchObject({ state: 'stopped' })
    const { entries } = await operate(jobs).audit()
    expect(entries.map(({ what, who, from }) => [what, who, from])).toContainEqual([
      ...['begin-change', 'operate@example.com', 'dashboard'],
    ])
    expect(entries.find(({ what }) => what === 'stop-change')).toMatchObject({ who: 'operate@example.com' })
  })

  test('a viewer who may only read cannot begin, pause or stop a change', async () => {
    const { body } = await change('changes.begin', failed)
    for (const [name, input] of [
      ['changes.begin', failed],
      ['changes.pause', { id: body.id }],
      ['changes.resume', { id: body.id }],
      ['changes.stop', { id: body.id }],
    ] as const)
      expect(await change(name, input, 'read')).toMatchObject({ status: 403, body: { code: 'ROLE_REFUSED' } })
    expect(await look('changes.list')).toMatchObject([{ id: body.id, state: 'running' }])
  })

  test('wrong input is refused, and no change begins', async () => {
    for (const [input, code] of [
      [{ ...failed, limit: 0 }, 'FILTER_INVALID'],
      [{ ...failed, limit: 1.5 }, 'FILTER_INVALID'],
      [{ ...failed, per: 'soon' }, 'FILTER_INVALID'],
      [{ ...failed, maxFailed: 'many' }, 'FILTER_INVALID'],
      [{ ...failed, limit: 1_000_000, per: '1s' }, 'CHANGE_INVALID'],
      [{ ...failed, filter: {} }, 'FILTER_INVALID'],
      [{ ...failed, change: 'cancel' }, 'INPUT_INVALID'],
      [{ ...failed, fromStart: true }, 'INPUT_INVALID'],
      [{ ...failed, change: 'move', filter: { all: true }, to: 'nowhere' }, 'UNKNOWN_QUEUE'],
    ] as const) {
      const { status, body } = await change('changes.begin', input, 'admin')
      expect([body.code, status < 500], JSON.stringify(input)).toEqual([code, true])
    }
    expect(await change('changes.stop', { id: 'nobody' })).toMatchObject({
      ...{ status: 404, body: { code: 'CHANGE_NOT_FOUND' } },
    })
    expect(await look('changes.list')).toEqual([])
  })

  test('only viewers who may see payloads can use payload values in a filter, and nobody gets these values back', async () => {
    const secret = { ...failed, filter: { where: { tenant: 'secret-tenant' } } }
    expect((await change('changes.begin', { ...secret, dryRun: true })).body.code).toBe('VALUES_REFUSED')
    expect((await change('changes.begin', secret)).body.code).toBe('VALUES_REFUSED')
    expect((await change('changes.begin', secret, 'admin')).body).toMatchObject({ total: 1 })
    for (const role of ['read', 'operate', 'admin'] as const) {
      const listed = await look<PacedChange[]>('changes.list', role)
      expect(listed).toMatchObject([{ of: 'jobs of state failed where tenant is …' }])
      expect(JSON.stringify([listed, await look('troubles', role)])).not.toContain('secret-tenant')
    }
    expect(JSON.stringify(await look('audit', 'operate'))).not.toContain('secret-tenant')
  })

  test('the overview gets the running changes, but no change that a person has stopped', async () => {
    expect((await look<FoundTroubles>('troubles')).changes).toEqual([])
    const { body } = await change('changes.begin', failed)
    await shown.close()
    shown = dashboard({ jobs, authorize: () => ({ role: 'read', user: 'ada' }) })
    expect((await look<FoundTroubles>('troubles')).changes).toMatchObject([{ id: body.id, left: 4 }])
    await operate(jobs).changes.stop(body.id)
    shown = dashboard({ jobs, authorize: () => ({ role: 'read', user: 'ada' }) })
    expect((await look<FoundTroubles>('troubles')).changes).toEqual([])
  })
})
