/**
 * Tests the server of the dashboard: which viewers get in, which role each route needs, and which data are
 * never sent.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LarkError } from '@s18i/lark/config'
import { batch, createJobs, cron, defineSignal, Job, type Jobs, workflow } from '@s18i/lark-jobs'
import {
  type BookedFailures,
  type JobStatus,
  type JobSteps,
  operate,
  type TailEvent,
  type TailOptions,
} from '@s18i/lark-jobs/operate'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Facade, insideOf } from '../../lark-jobs/src/model/copies.ts'
import type { Operated } from '../../lark-jobs/src/operate/operated.ts'
import { OUTBOX } from '../../lark-jobs/src/outbox/table.ts'
import { Application, mail } from '../../lark-jobs/test/outbox/application.ts'
import { type Dashboard, dashboard, type Role, toNode, type Viewer } from '../src/index.ts'
import { type ActionName, type Actions, actions } from '../src/server/actions.ts'
import { Underway } from '../src/server/change/underway.ts'
import type { Field } from '../src/server/guard/input.ts'
import { FollowedJobs, type JobReport } from '../src/server/look/followed-jobs.ts'
import type { FoundGroups } from '../src/server/look/groups.ts'
import { Live } from '../src/server/look/live.ts'
import type { Mark } from '../src/server/look/marks.ts'
import type { EndedRuns, TimesOfRuns, Trends } from '../src/server/look/past.ts'
import { Troubles } from '../src/server/look/troubles.ts'
import { type ShownReport, Streams } from '../src/server/streams.ts'

const report = { wrote() {}, ended() {}, warn() {}, info() {} }

class SendJob extends Job {
  override key = 'send'
  override queueName = 'emails'
  override tries = 1
  async handle({ to }: { to: string; secret?: number }) {
    if (to === 'nobody') throw new Error('550 no such user')
    return { sent: to }
  }
}

const approved = defineSignal<{ by: string }>('approved')
class StepJob extends Job {
  override key = 'step'
  override queueName = 'emails'
  async handle(payload: { to: string }) {
    await this.step('one', () => payload)
    await this.waitFor(approved)
  }
}

let jobs: Jobs
let shown: Dashboard

function open(keep?: { cancelled: { count: number } }): void {
  const connection = 'sqlite::memory:'
  jobs = createJobs({ connection, jobs: [SendJob], queues: ['emails', 'default'], ...(keep && { keep }) })
  shown = dashboard({
    jobs,
    base: '/admin/jobs',
    authorize: (request) => {
      const [role, payloads] = (request.headers.get('x-role') ?? '').split(' ')
      if (!role) return undefined
      return {
        role: role as Role,
        user: `${role}@example.com`,
        ...(payloads && { payloads: payloads === 'yes' }),
      }
    },
  })
}

beforeEach(() => open())

afterEach(async () => {
  await shown.close()
  await jobs.close()
})

interface Asked {
  role?: string
  headers?: Record<string, string>
}

function look(
  name: string,
  input: object = {},
  { role = 'read', headers = {} }: Asked = {},
): Promise<Response> {
  const query = encodeURIComponent(JSON.stringify(input))
  return shown(
    new Request(`http://host/admin/jobs/api/${name}?input=${query}`, {
      headers: { 'x-role': role, ...headers },
    }),
  )
}

function change(
  name: string,
  input: object = {},
  { role = 'operate', headers = {} }: Asked = {},
): Promise<Response> {
  return shown(
    new Request(`http://host/admin/jobs/api/${name}`, {
      method: 'POST',
      headers: {
        'x-role': role,
        'content-type': 'application/json',
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
      body: JSON.stringify(input),
    }),
  )
}

const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

async function runAll(): Promise<void> {
  const worker = await jobs.work({ stopWhenEmpty: true })
  await worker.done
}

/** Makes the job `stepped`, which has recorded a step and waits for a signal. */
async function stepped(to: string): Promise<void> {
  await jobs.dispatch([new StepJob().with({ to }).withId('stepped')])
  const worker = await jobs.work({ jobs: [StepJob], report })
  await expect.poll(async () => (await jobs.find('stepped'))?.state).toBe('delayed')
  await worker.stop()
}

/** An input for each action that changes something. The test fails if an action is missing here. */
const changesOf: Partial<Record<ActionName, object>> = {
  'jobs.retry': { filter: { state: 'failed' } },
  'jobs.cancel': { filter: { state: 'waiting' } },
  'jobs.send': { id: 'stepped', signal: 'approved', value: '{"by":"ada"}' },
  'jobs.forget': { id: 'stepped', names: ['one'] },
  'jobs.run-now': { filter: { state: 'delayed' } },
  'jobs.move': { filter: { state: 'delayed' }, to: 'emails' },
  'jobs.remove': { filter: { state: 'completed' } },
  'jobs.purge': { filter: { state: 'completed' } },
  'jobs.edit': { id: 'kept', payload: '{"to":"bob"}' },
  dispatch: { key: 'send', payload: '{"to":"ada"}', delay: '5m' },
  'changes.begin': { change: 'retry', filter: { state: 'failed' }, limit: 1, per: '1h' },
  'queues.pause': { queue: 'emails' },
  'queues.resume': { queue: 'emails' },
  'schedules.pause': { id: 'nightly' },
  'schedules.resume': { id: 'nightly' },
  'schedules.run-now': { id: 'nightly' },
  'schedules.remove': { id: 'nightly' },
  'workers.quiet': { all: true },
  'workers.resume': { all: true },
  'workers.restart': { all: true },
}

describe('who gets in', () => {
  test('nobody gets in without authorize()', () => {
    expect(() => dashboard({ jobs } as never)).toThrow(expect.objectContaining({ code: 'DASHBOARD_OPEN' }))
    expect(() => dashboard({ jobs, authorize: () => undefined, base: 'admin' })).toThrow(
      expect.objectContaining({ code: 'DASHBOARD_INVALID' }),
    )
  })

  test('a stranger gets neither the page nor an action nor the stream', async () => {
    for (const path of ['', '/', '/jobs', '/api/me', '/api/live', '/api/jobs.list', '/api/nothing']) {
      const answer = await shown(new Request(`http://host/admin/jobs${path}`))
      expect(answer.status, path).toBe(401)
      expect(await codeOf(answer)).toBe('NOT_AUTHORIZED')
    }
  })

  test('a viewer with a role that does not exist gets nothing', async () => {
    const answer = await look('me', {}, { role: 'owner' })
    expect(answer.status).toBe(500)
    expect(await codeOf(answer)).toBe('VIEWER_INVALID')
  })

  const all = Object.keys(actions) as ActionName[]
  const roles = ['read', 'operate', 'admin'] as const

  test.each(all)(
    'the action %s is only for its role and higher roles, and only for its HTTP method',
    async (name) => {
      const { role: needed, changes } = actions[name]
      for (const role of roles) {
        const answer = await (changes ? change : look)(name, {}, { role })
        const isAllowed = roles.indexOf(role) >= roles.indexOf(needed)
        if (!isAllowed) expect(await codeOf(answer), role).toBe('ROLE_REFUSED')
        else expect(answer.status, role).not.toBe(403)
      }
      const wrong = await (changes ? look : change)(name, {}, { role: 'admin' })
      expect([wrong.status, await codeOf(wrong)]).toEqual([405, 'METHOD_REFUSED'])
    },
  )

  test('a viewer with the role read cannot change anything', () => {
    for (const [name, { role, changes }] of Object.entries(actions))
      expect(changes === (role !== 'read'), name).toBe(true)
  })

  test('an action that is not in the table does not exist, not even if its name is a property of every object', async () => {
    for (const name of ['constructor', '__proto__', 'toString', 'jobs', 'jobs.drop'])
      expect(await codeOf(await look(name)), name).toBe('ACTION_UNKNOWN')
  })
})

describe('what a browser sends', () => {
  /** Values that are wrong for all fields, or right only for some fields. */
  const values = [null, true, -1, 1.5, 1e9, '', [], [''], [null], {}, { kind: null }, 'x']
  const all = Object.entries(actions)

  test.each(all)(
    'each field of the action %s is checked, and no other field is accepted',
    async (name, { takes, changes }) => {
      const ask = (input: object) => (changes ? change : look)(name, input, { role: 'admin' })
      const fields: Record<string, Field> = takes
      const right = Object.fromEntries(
        Object.entries(fields)
          .filter(([, { isOptional }]) => !isOptional)
          .map(([field, { isRight }]) => [field, ['x', '1h', { kind: 'f' }].find(isRight)]),
      )
      const wrong: object[] = [
        { ...right, no: 1 },
        { ...right, constructor: 1 },
      ]
      for (const [field, { isRight, isOptional }] of Object.entries(fields)) {
        if (!isOptional) wrong.push({ ...right, [field]: undefined })
        for (const value of values) {
          const input = { ...right, [field]: value }
          if (!isRight(value)) wrong.push(input)
          // A value of the right form is accepted, or refused by an operation that knows more about it.
          else expect((await ask(input)).status, JSON.stringify(input)).toBeLessThan(500)
        }
      }
      for (const input of wrong)
        expect(await codeOf(await ask(input)), JSON.stringify(input)).toBe('INPUT_INVALID')
    },
  )

  test.each(['[]', 'null', '1', '"x"', '{', `{"filter":${'{"a":'.repeat(60)}1${'}'.repeat(61)}`])(
    'the input %s is refused by a reading action, by a change and by the stream',
    async (input) => {
      const query = encodeURIComponent(input)
      const headers = { 'x-role': 'admin', 'content-type': 'application/json', origin: 'http://host' }
      for (const request of [
        new Request(`http://host/admin/jobs/api/jobs.list?input=${query}`, { headers }),
        new Request(`http://host/admin/jobs/api/live?input=${query}`, { headers }),
        new Request('http://host/admin/jobs/api/jobs.retry', { method: 'POST', headers, body: input }),
      ]) {
        const answer = await shown(request)
        expect([answer.status, await codeOf(answer)], request.url).toEqual([400, 'INPUT_INVALID'])
      }
    },
  )
})

describe('other sites', () => {
  test.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ])('a request from %j changes nothing and sees nothing', async (headers) => {
    expect(await codeOf(await change('queues.pause', { queue: 'emails' }, { headers }))).toBe(
      'ORIGIN_REFUSED',
    )
    expect(await codeOf(await look('me', {}, { headers }))).toBe('ORIGIN_REFUSED')
    expect((await jobs.status()).queues.every(({ paused }) => !paused)).toBe(true)
  })

  test('a change without an origin is refused, and so is a change that is not JSON', async () => {
    const send = (headers: Record<string, string>) =>
      shown(
        new Request('http://host/admin/jobs/api/queues.pause', {
          method: 'POST',
          headers: { 'x-role': 'admin', ...headers },
          body: '{"queue":"emails"}',
        }),
      )
    expect(await codeOf(await send({ 'content-type': 'application/json' }))).toBe('ORIGIN_REFUSED')
    const own = { origin: 'http://host' }
    expect(await codeOf(await send({ ...own, 'content-type': 'text/plain' }))).toBe('TYPE_REFUSED')
    expect((await send({ ...own, 'content-type': 'application/json' })).status).toBe(200)
  })

  test('another site may link to a page', async () => {
    const headers = {
      'x-role': 'read',
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    }
    expect((await shown(new Request('http://host/admin/jobs/jobs', { headers }))).status).toBe(200)
    const framed = { ...headers, 'sec-fetch-dest': 'iframe' }
    expect((await shown(new Request('http://host/admin/jobs/jobs', { headers: framed }))).status).toBe(403)
  })

  test('another host name is refused if the host names are configured', async () => {
    await using named = dashboard({
      jobs,
      authorize: () => ({ role: 'read', user: 'x' }),
      hosts: ['admin.example.com'],
    })
    const ask = (host: string) => named(new Request(`http://${host}/api/me`, { headers: { host } }))
    expect((await ask('admin.example.com')).status).toBe(200)
    expect(await codeOf(await ask('rebound.example'))).toBe('HOST_REFUSED')
  })
})

describe('every answer', () => {
  test('loads nothing from another origin, runs no inline script, and cannot be framed', async () => {
    const page = await shown(new Request('http://host/admin/jobs/', { headers: { 'x-role': 'read' } }))
    const html = await page.text()
    const [script] = /(?<=src=")[^"]+\.js/.exec(html)!
    const file = await shown(new Request(`http://host/admin/jobs/${script}`))
    for (const answer of [
      page,
      file,
      await look('me'),
      await look('nothing'),
      await look('me', {}, { role: '' }),
    ]) {
      expect(answer.headers.get('content-security-policy')).toMatch(
        /^default-src 'self';.*frame-ancestors 'none'/,
      )
      expect(answer.headers.get('content-security-policy')).not.toContain('unsafe')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
    expect(file.headers.get('cache-control')).toContain('immutable')
    expect(html).toContain('<base href="/admin/jobs/">')
    // Nothing in the document runs by itself or comes from elsewhere.
    expect(html).not.toMatch(/<script(?![^>]*src=)|\son\w+=|style=|https?:/)
  })

  test('shows the name of the installation as text', async () => {
    await using named = dashboard({
      jobs,
      authorize: () => ({ role: 'read', user: 'x' }),
      environment: { name: '"><script>alert(1)</script>', colour: 'red' },
    })
    const html = await (await named(new Request('http://host/'))).text()
    expect(html).not.toContain('<script>')
  })

  test('is compressed for browsers that accept it', async () => {
    const html = await (
      await shown(new Request('http://host/admin/jobs/', { headers: { 'x-role': 'read' } }))
    ).text()
    const [script] = /(?<=src=")[^"]+\.js/.exec(html)!
    const headers = { 'accept-encoding': 'gzip, br' }
    const answer = await shown(new Request(`http://host/admin/jobs/${script}`, { headers }))
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect([...new Uint8Array(await answer.arrayBuffer()).slice(0, 2)]).toEqual([0x1f, 0x8b])
  })
})

describe('payloads', () => {
  test('are visible only for viewers with the right to see them, and no other viewer can search in them', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'ada', secret: 42 })])
    await runAll()
    const texts = async (asked: Asked) => {
      const list = (await (await look('jobs.list', {}, asked)).json()) as { jobs: { id: string }[] }
      const { id } = list.jobs[0]!
      return JSON.stringify([list, await (await look('jobs.find', { id }, asked)).json()])
    }
    expect(await texts({ role: 'admin' })).toContain('ada')
    expect(await texts({ role: 'read yes' })).toContain('ada')
    for (const role of ['read', 'operate', 'admin no']) {
      const text = await texts({ role })
      expect(text).not.toContain('ada')
      expect(text).toContain('isVeiled')
      const search = { filter: { where: { secret: 42 } } }
      for (const name of ['jobs.list', 'failures'])
        expect(await codeOf(await look(name, search, { role })), role).toBe('VALUES_REFUSED')
      if (role !== 'read')
        expect(await codeOf(await change('jobs.cancel', search, { role }))).toBe('VALUES_REFUSED')
    }
  })

  test('are in no answer to a viewer without the right, and neither are contexts, traces, results and progress', async () => {
    const MARK = 'ada-4711'
    class PickyJob extends Job {
      override key = 'picky'
      override queueName = 'emails'
      static override readonly schema = {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value: unknown) =>
            (value as { bad?: boolean }).bad
              ? { issues: [{ message: `${JSON.stringify(value)} is bad` }] }
              : { value },
        },
      } as const
      async handle(_: { to: string; bad?: boolean }) {}
    }
    await jobs.schedules.set('nightly', new SendJob().with({ to: MARK }), cron('0 3 * * *'))
    const flow = await jobs.dispatch(
      workflow('order', (w) => {
        const first = w.add(new SendJob().with({ to: MARK }))
        w.add(new SendJob().with({ to: first.result.sent }), { after: first })
      }),
    )
    await runAll()
    const options = { tries: 1, context: { user: MARK }, trace: { baggage: `user=${MARK}` } }
    const of = {
      payload: JSON.stringify({ to: MARK }),
      priority: 0,
      queuedAt: Date.now(),
      partition: 'emails',
    }
    const counters = { runs: 1, failures: 1, crashes: 0, releases: 0 }
    const error = { run: 1, name: 'Error', message: 'no such user' }
    const record = (id: string, state: string, key = 'send') => ({
      ...{ ...of, id, key, state, ...counters, options, errors: [error], finishedAt: Date.now() },
      ...(state === 'completed' && { result: JSON.stringify(MARK), progress: JSON.stringify(MARK) }),
    })
    await operate(jobs).import([
      record('kept', 'waiting'),
      record('done', 'completed'),
      record('lost', 'failed'),
      record('odd', 'failed', 'picky'),
    ])
    await jobs.dispatch([new PickyJob().with({ to: MARK })])
    await stepped(MARK)
    const named = { flow: flow.id }
    const failures = (await (await look('failures')).json()) as BookedFailures
    const { kind } = failures.kinds.find(({ key }) => key === 'picky')!
    const patched = (patch: string) => ({ filter: { kind }, patch })
    const looks: Partial<Record<ActionName, object[]>> = {
      ...{ ended: [{ range: '1h' }], times: [{ range: '1h' }], marks: [{ range: '1h' }] },
      'jobs.find': [{ id: 'kept' }, { id: 'done' }, { id: 'lost' }],
      'jobs.steps': [{ id: 'stepped' }, { id: 'kept' }],
      'jobs.value': ['payload', 'result', 'progress'].map((of) => ({ id: 'done', of })),
      'jobs.suggest': [{ text: MARK }, { text: 'done' }],
      'jobs.why': [{ id: 'stepped' }, { id: 'kept' }, { id: 'done' }, { id: 'lost' }],
      'jobs.flow': [{ id: 'done' }],
      'failures.common': [{ filter: { kind } }],
      groups: [{ queue: 'emails' }, { queue: 'emails', name: 'a', order: 'pending' }],
      'classes.get': [{ key: new SendJob().key }],
      'queues.next': [{ queue: 'emails' }],
      'queues.incidents': [{ queue: 'emails' }],
      'flows.get': [named],
      'schedules.get': [{ id: 'nightly' }],
      underway: [{ underway: 'x' }],
    }
    const changed: Partial<Record<ActionName, object[]>> = {
      ...Object.fromEntries(Object.entries(changesOf).map(([name, input]) => [name, [input]])),
      'failures.patch': [{ ...patched('{"bad":false}'), dryRun: true }, patched('{"bad":true}')],
      ...{ 'flows.cancel': [named], 'flows.retry': [named], undo: [{ undo: 'x' }] },
      ...{ 'underway.end': [{ underway: 'x' }], 'outbox.retry': [{}] },
      ...{ 'changes.pause': [{ id: 'x' }], 'changes.resume': [{ id: 'x' }], 'changes.stop': [{ id: 'x' }] },
    }
    const all = Object.entries(actions)
    const places = new Set<string>()
    const told = async (role: string) => {
      for (const [name, { changes }] of all.filter(([, { changes }]) => !changes))
        for (const input of looks[name as ActionName] ?? [{}]) {
          const answer = await (changes ? change : look)(name, input, { role })
          const isRefused = name === 'jobs.value' && role !== 'admin'
          if (name !== 'underway') expect(answer.status, name).toBe(isRefused ? 403 : 200)
          if (!(await answer.text()).includes(MARK)) continue
          expect(role, name).toBe('admin')
          places.add(name)
        }
    }
    await told('admin')
    expect([...places].sort()).toEqual(['flows.get', 'jobs.find', 'jobs.list', 'jobs.value', 'schedules.get'])
    const found = await (await look('jobs.find', { id: 'done' }, { role: 'admin' })).text()
    for (const part of ['payload', 'result', 'progress', 'context', 'baggage']) expect(found).toContain(part)
    for (const role of ['read', 'operate', 'admin no']) await told(role)
    // The class refuses the new payload, and the message quotes this payload.
    const quoted = await change('failures.patch', patched('{"bad":true}'), { role: 'admin' })
    expect(await quoted.text()).toContain(MARK)
    // Actions that remove something come last.
    const order = (name: string) => (/retry|cancel|remove|purge/.test(name) ? 1 : 0)
    for (const [name] of all.filter(([, { changes }]) => changes).sort(([a], [b]) => order(a) - order(b))) {
      expect(changed[name as ActionName], name).toBeDefined()
      for (const input of changed[name as ActionName]!) {
        const answer = await change(name, input, { role: 'admin no' })
        expect(await answer.text(), name).not.toContain(MARK)
      }
    }
    for (const role of ['read', 'operate', 'admin no']) await told(role)
  })

  test('show the values that the jobs of a kind of failure share, also behind many other jobs and in long payloads', {
    timeout: 20_000,
  }, async () => {
    const error = { run: 1, name: 'Error', message: 'no such user' }
    const record = (n: number, key: string, payload: object) => ({
      ...{ id: `${key}-${n}`, key, partition: 'emails', state: 'failed', priority: 0, queuedAt: Date.now() },
      ...{ payload: JSON.stringify(payload), runs: 1, failures: 1, crashes: 0, releases: 0 },
      ...{ options: { tries: 1, redact: ['secret'] }, errors: [error], finishedAt: Date.now() - n },
    })
    const many = Array.from({ length: 1_500 }, (_, n) => record(n, 'other', { shop: n }))
    const some = Array.from({ length: 60 }, (_, n) =>
      record(9_000 + n, 'send', {
        ...{ secret: 42, to: `user-${n}`, shop: { country: n % 3 ? 'SE' : 'NO' }, rows: [1, 2] },
        ...(n % 10 === 1 && { text: 'x'.repeat(70_000) }),
      }),
    )
    await operate(jobs).import([...many, ...some])
    const { kinds } = (await (await look('failures')).json()) as BookedFailures
    const { kind } = kinds.find(({ key }) => key === 'send')!
    const common = async (role: string, filter: object = { kind }) =>
      (await look('failures.common', { filter }, { role })).json()
    expect(await common('admin')).toEqual({
      ...{ jobs: 60, isPartial: false },
      values: [{ path: 'shop.country', value: '"SE"', count: 40 }],
    })
    expect(await common('admin', { kind, key: 'send' })).toMatchObject({ jobs: 60 })
    expect(await common('operate')).toBeNull()
    expect(await common('admin', {})).toMatchObject({ code: 'INPUT_INVALID' })
  })

  test('to a wrong condition says what is wrong, and does not name a method of the API', async () => {
    const answer = await look('jobs.list', { filter: { since: 'soon' } })
    const { code, message } = (await answer.json()) as { code: string; message: string }
    expect(code).toBe('FILTER_INVALID')
    expect(message).toMatch(/^since is 'soon'/)
  })

  test('of many bytes are compressed for a browser that accepts gzip', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'x'.repeat(50_000) })])
    const asked = { role: 'admin', headers: { 'accept-encoding': 'gzip, br' } }
    const [plain, packed, small] = await Promise.all([
      look('jobs.list', {}, { role: 'admin' }),
      look('jobs.list', {}, asked),
      look('me', {}, asked),
    ])
    expect([plain, packed, small].map(({ headers }) => headers.get('content-encoding'))).toEqual([
      null,
      'gzip',
      null,
    ])
    const bytes = await packed.arrayBuffer()
    expect(bytes.byteLength).toBeLessThan(5_000)
    const text = await new Response(
      new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')),
    ).text()
    expect(text).toBe(await plain.text())
  })

  test('of megabytes are cut, and say how much is missing', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'x'.repeat(500_000) })])
    const answer = await look('jobs.list', {}, { role: 'admin' })
    const [job] = ((await answer.json()) as { jobs: { payload: { json: string; hidden: number } }[] }).jobs
    expect(job!.payload.json).toHaveLength(65_536)
    expect(job!.payload.json.length + job!.payload.hidden).toBe('{"to":""}'.length + 500_000)
    const { id } = (await jobs.list({})).jobs[0]!
    const whole = await look('jobs.value', { id, of: 'payload' }, { role: 'admin' })
    expect(JSON.parse((await whole.json()) as string)).toEqual({ to: 'x'.repeat(500_000) })
    expect(await codeOf(await look('jobs.value', { id, of: 'payload' }, { role: 'read' }))).toBe(
      'VALUES_REFUSED',
    )
    expect(
      await (await look('jobs.value', { id: 'nobody', of: 'result' }, { role: 'admin' })).json(),
    ).toBeNull()
  })
})

describe('changes', () => {
  const find = async (id: string) => await jobs.find(id)

  async function failed(): Promise<string> {
    const [handle] = await jobs.dispatch([new SendJob().with({ to: 'nobody' })])
    await runAll()
    return handle!.id
  }

  test('need ids or a filter, so a misspelled input changes nothing', async () => {
    const id = await failed()
    for (const input of [
      {},
      { filters: { state: 'failed' } },
      { filter: {} },
      { ids: [] },
      { ids: 'x' },
      { ids: [id], filter: { state: 'failed' } },
    ])
      expect((await change('jobs.retry', input)).status, JSON.stringify(input)).toBe(400)
    expect(await codeOf(await change('jobs.retry', { filter: { stat: 'failed' } }))).toBe('FILTER_INVALID')
    expect((await find(id))?.state).toBe('failed')
  })

  test('if a retry is undone, the job is failed again, with its error', async () => {
    const id = await failed()
    const before = await find(id)
    const answer = (await (await change('jobs.retry', { ids: [id] })).json()) as {
      retried: number
      undo: string
    }
    expect(answer.retried).toBe(1)
    expect((await find(id))?.state).toBe('waiting')
    const undone = await change('undo', { undo: answer.undo })
    expect(await undone.json()).toEqual({ undone: 1, left: 0 })
    expect(await find(id)).toMatchObject({
      state: 'failed',
      errors: before!.errors,
      payload: { to: 'nobody' },
    })
    expect(await codeOf(await change('undo', { undo: answer.undo }))).toBe('UNDO_GONE')
  })

  test('an undo delays jobs again that were made due, and the audit has one entry for the undo', async () => {
    const handles = await jobs.dispatch(
      [1, 2, 3].map((n) => new SendJob().with({ to: `${n}` }).delayed(`${n}h`)),
    )
    const ids = handles.map(({ id }) => id)
    const due = async () => await Promise.all(ids.map(async (id) => (await find(id))?.dueAt))
    const before = await due()
    const ways = [{ ids }, { filter: { queue: 'emails' } }]
    for (const which of ways) {
      const answer = await (await change('jobs.run-now', which)).json()
      expect(answer).toMatchObject({ rescheduled: 3 })
      expect((await find(ids[0]!))?.state).toBe('waiting')
      const { undo } = answer as { undo: string }
      expect(await (await change('undo', { undo })).json()).toEqual({ undone: 3, left: 0 })
      expect(await due()).toEqual(before)
    }
    const { entries } = await operate(jobs).audit()
    expect(entries.map(({ what, count }) => [what, count])).toEqual([
      ['undo', 3],
      ['run-now', 3],
      ['undo', 3],
      ['run-now', 3],
    ])
  })

  test('a cancel can be undone for one job, and for jobs that are no longer kept', async () => {
    await Promise.all([shown.close(), jobs.close()])
    open({ cancelled: { count: 2 } })
    const made = await jobs.dispatch(
      Array.from({ length: 6 }, (_, n) => new SendJob().with({ to: `${n}` }).delayed(`${n + 1}h`)),
    )
    const ids = made.map(({ id }) => id)
    const due = async () => await Promise.all(ids.map(async (id) => (await find(id))?.dueAt))
    const before = await due()
    for (const input of [{ ids: ids.slice(0, 1) }, { filter: { queue: 'emails' } }]) {
      const answer = await change('jobs.cancel', input)
      const { cancelled, undo } = (await answer.json()) as { cancelled: number; undo: string }
      const kept = (await jobs.list({ state: 'cancelled' })).jobs.length
      expect([cancelled, kept]).toEqual('ids' in input ? [1, 1] : [6, 2])
      expect(await (await change('undo', { undo })).json()).toEqual({ undone: cancelled, left: 0 })
      // A job that is put back is delayed again by the time that was left.
      for (const [n, at] of (await due()).entries()) expect(Math.abs(at! - before[n]!)).toBeLessThan(1_000)
    }
  })

  test('a retry by filter can be undone, except for jobs that have run', async () => {
    const ids = [await failed(), await failed(), await failed()]
    const { undo } = (await (await change('jobs.retry', { filter: { state: 'failed' } })).json()) as {
      undo: string
    }
    await jobs.reschedule(ids.slice(1), '1h')
    await runAll()
    expect(await (await change('undo', { undo })).json()).toEqual({ undone: 2, left: 1 })
    const states = await Promise.all(ids.map(find))
    expect(states.map((job) => [job?.state, job?.failures])).toEqual([
      ['failed', 1],
      ['failed', 1],
      ['failed', 1],
    ])
  })

  test('jobs are moved by id and by filter, and an undo moves them back', async () => {
    const made = await jobs.dispatch([SendJob.with({ to: 'ada' }), SendJob.with({ to: 'bob' }).delayed('1h')])
    const queues = async () => (await Promise.all(made.map(({ id }) => find(id)))).map((job) => job?.queue)
    const [before] = await queues()
    const to = before === 'emails' ? 'default' : 'emails'
    for (const input of [{ ids: made.map(({ id }) => id) }, { filter: { queue: before } }]) {
      const count = { ...input, to, dryRun: true }
      expect(await (await change('jobs.move', count)).json()).toMatchObject({ moved: 2, left: 0 })
      const { undo, ...answer } = (await (await change('jobs.move', { ...input, to })).json()) as {
        undo: string
      }
      expect(answer).toEqual({ moved: 2, left: 0 })
      expect(await queues()).toEqual([to, to])
      expect(await (await change('undo', { undo })).json()).toEqual({ undone: 2, left: 0 })
      expect(await queues()).toEqual([before, before])
    }
    const id = made[0]!.id
    expect(await codeOf(await change('jobs.move', { ids: [id], to: before }))).toBe('JOB_NOT_MOVABLE')
    expect(await codeOf(await change('jobs.move', { ids: [id], to: 'nowhere' }))).toBe('UNKNOWN_QUEUE')
    expect((await change('jobs.move', { ids: [id] })).status).toBe(400)
    expect((await change('jobs.move', { ids: [id], to }, { role: 'read' })).status).toBe(403)
  })

  test('only the viewer who made a change can undo it', async () => {
    const id = await failed()
    const { undo } = (await (await change('jobs.retry', { ids: [id] })).json()) as { undo: string }
    expect(await codeOf(await change('undo', { undo }, { role: 'admin' }))).toBe('UNDO_GONE')
    expect((await change('undo', { undo })).status).toBe(200)
  })

  test('an undo brings back removed jobs, also those that run commands', async () => {
    const id = await failed()
    const command = await jobs.dispatchCommand('list', [], { delay: '1h' })
    const gone = (await (
      await change('jobs.remove', { filter: { key: 'lark:command' } }, { role: 'admin' })
    ).json()) as {
      undo: string
    }
    expect(await find(command.id)).toBeUndefined()
    await change('undo', { undo: gone.undo }, { role: 'admin' })
    expect(await find(command.id)).toMatchObject({ key: 'lark:command', state: 'delayed' })
    const { removed, undo } = (await (
      await change('jobs.remove', { filter: { state: 'failed' } }, { role: 'admin' })
    ).json()) as { removed: number; undo: string }
    expect([removed, await find(id)]).toEqual([1, undefined])
    await change('undo', { undo }, { role: 'admin' })
    expect(await find(id)).toMatchObject({ state: 'failed', payload: { to: 'nobody' } })
  })

  test('the undo of a pause resumes, and the undo of a resume restores the same pause', async () => {
    const paused = async () => (await jobs.status()).queues.find(({ queue }) => queue === 'emails')!
    const pause = { queue: 'emails', for: '5m', because: 'the bank is closed' }
    const first = (await (await change('queues.pause', pause)).json()) as { undo: string }
    const { pausedUntil } = await paused()
    const second = (await (await change('queues.resume', { queue: 'emails' })).json()) as { undo: string }
    expect((await paused()).paused).toBe(false)
    await change('undo', { undo: second.undo })
    expect(await paused()).toMatchObject({ paused: true, pausedBecause: 'the bank is closed' })
    expect(Math.abs((await paused()).pausedUntil! - pausedUntil!)).toBeLessThan(2_000)
    await change('undo', { undo: first.undo })
    expect((await paused()).paused).toBe(false)
  })

  test('the undo of a quiet order lets its workers go on, but not workers that another person has made quiet', async () => {
    await using worker = await jobs.work({ queues: ['emails'] })
    const quiet = async () =>
      (await (await change('workers.quiet', { worker: worker.id })).json()) as { undo?: string }
    const { undo, ...told } = await quiet()
    expect(told).toEqual({ workers: 1, left: 0 })
    expect(await (await change('undo', { undo })).json()).toEqual({ undone: 1, left: 0 })
    // A worker gets the last order when its state changes.
    worker.quiet()
    await vi.waitFor(async () =>
      expect(await operate(jobs).workers.list()).toMatchObject([{ state: 'running' }]),
    )
    worker.quiet()
    await vi.waitFor(async () => expect(await quiet()).toEqual({ workers: 1, left: 0 }))
    const restarted = await change('workers.restart', { all: true }, { role: 'admin' })
    expect(await restarted.json()).toEqual({ workers: 0, left: 1 })
  })

  test('a dead worker is shown with its jobs, and with the worker that took them back', async () => {
    const { store } = await insideOf(jobs as unknown as Facade<Operated>).open()
    const died = { id: 'ghost', host: 'web-1', pid: 7, seenAt: 1_700_000_000_000 }
    const rest = {
      queues: ['emails'],
      strict: false,
      keys: ['send'],
      concurrency: 1,
      running: 1,
      startedAt: 0,
    }
    await store.announce({ ...died, ...rest, state: 'running' }, 60_000)
    const [job] = await jobs.dispatch([new SendJob().with({ to: 'ada' })])
    await store.exchange('emails', { caller: 'ghost', number: 1 }, [], { limit: 1, leaseMs: 60_000 })
    await store.retire('ghost')
    const { seenAt: lastSeen, ...known } = died
    const seen = { ...known, lastSeen }
    const unheard = async () => (await look('workers.unheard')).json()
    // The lease is not over, so the worker may only be silent.
    expect(await unheard()).toEqual({ lost: [], silent: [{ ...seen, job: job!.id }], deadly: [] })
    await store.recover('emails', { holder: 'ghost', by: 'heir' })
    const taken = [{ by: 'heir', at: expect.any(Number), count: 1, jobs: [job!.id] }]
    expect(await unheard()).toEqual({ lost: [{ ...seen, taken }], silent: [], deadly: [] })
  })

  test('the steps of a job are shown, a signal wakes the job, and a step can be forgotten', async () => {
    await stepped('ada')
    const steps = async () => (await (await look('jobs.steps', { id: 'stepped' })).json()) as JobSteps
    expect(await steps()).toMatchObject({
      ...{ state: 'delayed', waitsFor: ['approved'], signals: [] },
      steps: [
        { name: 'one', state: 'done', size: 12 },
        { name: 'approved', state: 'waiting' },
      ],
    })
    const send = (value: string) => change('jobs.send', { id: 'stepped', signal: 'approved', value })
    expect(await codeOf(await send('{"by":'))).toBe('INPUT_INVALID')
    expect(await (await send('{"by":"ada"}')).json()).toMatchObject({ sent: true, wakes: true })
    expect(await (await change('jobs.forget', { id: 'stepped', names: ['one'] })).json()).toEqual(['one'])
    expect((await steps()).signals).toEqual([{ name: 'approved', isTaken: false, size: 12 }])
    const sent = await look('audit', { filter: { what: 'send' } })
    expect(await sent.json()).toMatchObject({ entries: [{ who: 'operate@example.com', count: 1 }] })
  })

  test('a payload is edited as JSON text, and a text that is not JSON changes nothing', async () => {
    const id = await failed()
    const edit = (payload: string) => change('jobs.edit', { id, payload }, { role: 'admin' })
    expect(await codeOf(await edit('{"to":'))).toBe('INPUT_INVALID')
    expect((await edit('{"to":"bob"}')).status).toBe(200)
    expect((await find(id))?.payload).toEqual({ to: 'bob' })
  })

  test('the payloads of a kind of failures are edited and retried together, after a dry run that shows some of them', async () => {
    const ids = [await failed(), await failed()]
    const told = (await (await look('failures')).json()) as BookedFailures
    expect(told).toMatchObject({ failed: 2, read: 2, stored: 2, isReading: false })
    const { kinds } = told
    expect(kinds[0]!.hours.reduce((sum, each) => sum + each, 0)).toBe(2)
    // Jobs that the failure book does not know are read from the store.
    const filter = { where: { to: 'nobody' } }
    const searched = (await (await look('failures', { filter }, { role: 'admin' })).json()) as BookedFailures
    expect(searched.kinds.map(({ kind, count }) => [kind, count])).toEqual([[kinds[0]!.kind, 2]])
    const input = { filter: { kind: kinds[0]!.kind }, patch: '{"to":"bob","secret":null,"more":{"a":1}}' }
    const patch = async (dryRun: boolean, role = 'admin') =>
      await (await change('failures.patch', { ...input, dryRun }, { role })).json()
    expect(await patch(true)).toMatchObject({
      edited: 2,
      retried: 0,
      samples: [
        { before: { json: '{"to":"nobody"}' }, after: { json: '{"to":"bob","more":{"a":1}}' } },
        { before: { json: '{"to":"nobody"}' } },
      ],
    })
    expect(await patch(true, 'admin no')).toMatchObject({ edited: 2, samples: [] })
    expect((await find(ids[0]!))?.payload).toEqual({ to: 'nobody' })
    expect(await patch(false)).toMatchObject({ edited: 2, retried: 2 })
    for (const id of ids)
      expect(await find(id)).toMatchObject({ state: 'waiting', payload: { to: 'bob', more: { a: 1 } } })
    const wrong = await change('failures.patch', { ...input, patch: '[]' }, { role: 'admin' })
    expect(await codeOf(wrong)).toBe('INPUT_INVALID')
  })

  test('a body that is too large is not read', async () => {
    const answer = await change('jobs.edit', { id: 'x', payload: 'x'.repeat(3_000_000) }, { role: 'admin' })
    expect([answer.status, await codeOf(answer)]).toEqual([413, 'BODY_TOO_LARGE'])
    expect((await look('jobs.list', { filter: { key: 'x'.repeat(9_000) } })).status).toBe(413)
  })
})

test('the page of the outbox shows waiting rows and rows that cannot become jobs, without payloads, and an operator can retry rows', async () => {
  expect(await (await look('me')).json()).toMatchObject({ hasOutbox: false })
  expect(await (await look('outbox')).json()).toBeNull()
  expect(await codeOf(await change('outbox.retry'))).toBe('OUTBOX_NOT_CONFIGURED')
  await jobs.close()
  const application = new Application()
  const [id, bad] = application.write(mail(1), { ...mail(2), body: '{"secret":' })
  application.run(`UPDATE ${OUTBOX} SET error = ? WHERE id = ?`, ['its body is no JSON', bad!])
  jobs = createJobs({ connection: 'sqlite::memory:', queues: ['emails'], outbox: application.outbox })
  shown = dashboard({ jobs, base: '/admin/jobs', authorize: ({ headers }) => viewer(headers.get('x-role')!) })
  const viewer = (role: string): Viewer => ({ role: role as Role, user: 'ada' })
  const outbox = async (input = {}) => (await look('outbox', input)).text()
  expect(await (await look('me')).json()).toMatchObject({ hasOutbox: true })
  const text = await outbox()
  expect(text).not.toMatch(/secret|payload|"n"/)
  expect(JSON.parse(text)).toMatchObject({
    ...{ waiting: 1, bad: 1, age: expect.any(Number) },
    rows: [
      { id, queue: 'emails', kind: 'job', key: 'mail' },
      { id: bad, kind: 'unreadable', error: 'its body is no JSON' },
    ],
  })
  const first = JSON.parse(await outbox({ limit: 1 }))
  expect(JSON.parse(await outbox({ limit: 1, cursor: first.cursor }))).toMatchObject({ rows: [{ id: bad }] })
  expect(JSON.parse(await outbox({ bad: true }))).toMatchObject({ rows: [{ id: bad }] })
  expect(await codeOf(await change('outbox.retry', {}, { role: 'read' }))).toBe('ROLE_REFUSED')
  expect(await (await change('outbox.retry', { ids: [bad] })).json()).toBe(1)
  expect(JSON.parse(await outbox())).toMatchObject({ waiting: 2, bad: 0 })
  expect((await operate(jobs).audit()).entries).toMatchObject([{ who: 'ada', what: 'retry-rows', count: 1 }])
  application.isAway = true
  expect(await codeOf(await look('outbox'))).toBe('OUTBOX_AWAY')
})

describe('the audit', () => {
  /**
   * Not changes of the store by themselves, two, as `failures.patch` and the end of a change at a pace, or,
   * as of the outbox, of a database.
   */
  const others: ActionName[] = ['undo', 'underway.end', 'failures.patch', 'changes.stop', 'outbox.retry']

  test('has one entry for each change that a viewer makes, with their name, and for an undo', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'ada' }).delayed('5m').withId('kept')])
    await stepped('ada')
    await jobs.schedules.set('nightly', new SendJob().with({ to: 'ada' }), cron('0 3 * * *'))
    const flow = await jobs.dispatch(batch([new SendJob().with({ to: 'nobody' })]))
    const named = { flow: flow.id }
    const { id } = await operate(jobs).changes.begin('retry', { all: true }, { limit: 1 })
    const paced = { 'changes.pause': { id }, 'changes.resume': { id } }
    const all = { ...changesOf, 'flows.cancel': named, 'flows.retry': named, ...paced }
    const changes = Object.entries(actions).filter(([, { changes }]) => changes)
    expect(Object.keys(all).sort()).toEqual(
      changes
        .map(([name]) => name)
        .filter((name) => !others.includes(name as ActionName))
        .sort(),
    )
    let undo: string | undefined
    let known = (await operate(jobs).audit()).entries.length
    for (const [name, input] of Object.entries(all)) {
      const answer = await change(name, input, { role: 'admin' })
      expect(answer.status, name).toBe(200)
      const { entries } = await operate(jobs).audit()
      expect(entries.length - known, name).toBe(1)
      expect(entries[0], name).toMatchObject({
        who: 'admin@example.com',
        from: 'dashboard',
        outcome: 'done',
      })
      known = entries.length
      if (name === 'queues.pause') undo = ((await answer.json()) as { undo: string }).undo
    }
    await change('undo', { undo }, { role: 'admin' })
    const { entries } = (await (await look('audit', { filter: { what: 'resume' }, limit: 1 })).json()) as {
      entries: object[]
    }
    expect(entries).toMatchObject([{ who: 'admin@example.com', what: 'resume', on: 'queue emails' }])
  })

  test('has no payload values of searches, whatever role the viewer has', async () => {
    const search = { filter: { where: { secret: 4711 }, state: 'failed' } }
    await change('jobs.retry', search, { role: 'admin' })
    const shown = async (role: string) => await (await look('audit', {}, { role })).text()
    for (const role of ['admin', 'operate']) {
      expect(await shown(role)).not.toContain('4711')
      expect(await shown(role)).toContain('failed where ')
    }
  })
})

describe('a change that takes long', () => {
  test('goes on after its answer, reports its progress, and can be ended by the viewer who began it', async () => {
    const underway = new Underway()
    let end = (_: number) => {}
    const ended = new Promise<number>((resolve) => {
      end = resolve
    })
    const answer = await underway.run(
      'ada',
      ({ signal, onProgress }) => {
        onProgress(200, 1_000)
        signal.addEventListener('abort', () => end(400))
        return ended
      },
      0,
    )
    const { underway: id } = answer as { underway: string }
    expect(underway.progress('ada', id)).toEqual({ done: 200, found: 1_000 })
    expect(() => underway.progress('bob', id)).toThrow(expect.objectContaining({ code: 'CHANGE_GONE' }))
    underway.end('ada', id)
    await vi.waitFor(() => expect(underway.progress('ada', id).answer).toBe(400))
  })

  test('counts towards a limit for each user, and does not hinder other users', async () => {
    const underway = new Underway()
    const never = () => new Promise<number>(() => {})
    for (let i = 0; i < 10; i++) await underway.run('ada', never, 0)
    await expect(underway.run('ada', never, 0)).rejects.toMatchObject({ code: 'TOO_MANY_CHANGES' })
    expect(await underway.run('bob', async () => 3)).toBe(3)
  })

  test('that fails says why, without the text of an internal error', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    const underway = new Underway()
    const fail = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      throw new Error('secret')
    }
    const { underway: id } = (await underway.run('ada', fail, 0)) as { underway: string }
    await vi.waitFor(() =>
      expect(underway.progress('ada', id).error).toMatchObject({ code: 'DASHBOARD_FAULT' }),
    )
    expect(log).toHaveBeenCalledOnce()
    expect(await underway.run('ada', async () => 3)).toBe(3)
    await expect(underway.run('ada', fail)).rejects.toThrow('secret')
  })
})

describe('the stream', () => {
  async function* events(answer: Response): AsyncGenerator<{ event: string; data: never }> {
    let text = ''
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(chunk)
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? []
        text = text.slice(end + 2)
        if (event !== undefined) yield { event, data: JSON.parse(data!) as never }
      }
    }
  }

  test('sends one snapshot a second to all listeners, and asks the store once for all of them', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'ada' })])
    const abort = new AbortController()
    const open = () =>
      shown(
        new Request('http://host/admin/jobs/api/live', {
          headers: { 'x-role': 'read' },
          signal: abort.signal,
        }),
      )
    const streams = await Promise.all([open(), open(), open()])
    const firsts = await Promise.all(
      streams.map(
        async (each) =>
          (await events(each).next()).value as {
            event: string
            data: { at: number; queues: { queue: string; counts: { waiting: number } }[] }
          },
      ),
    )
    expect(new Set(firsts.map(({ data }) => data.at)).size).toBe(1)
    expect(firsts[0]!.data.queues.find(({ queue }) => queue === 'emails')?.counts.waiting).toBe(1)
    abort.abort()
  })

  /** Opens streams, some of which are refused. */
  const openAs = (role: string, query = '', method = 'GET', signal?: AbortSignal) =>
    shown(
      new Request(`http://host/admin/jobs/api/live${query}`, {
        method,
        headers: { 'x-role': role, 'content-type': 'application/json', origin: 'http://host' },
        ...(signal && { signal }),
      }),
    )

  test('leaves nothing behind if it is refused or throws', async () => {
    const listen = vi.spyOn(Live.prototype, 'listen')
    const follow = vi.spyOn(FollowedJobs.prototype, 'follow')
    for (const job of [
      null,
      {},
      [],
      'x',
      { id: 'x' },
      { id: 1, queue: 'x' },
      { id: 'x', queue: 'x', more: 1 },
    ])
      expect(await codeOf(await look('live', { job })), JSON.stringify(job)).toBe('INPUT_INVALID')
    for (const method of ['HEAD', 'POST']) {
      const answer = await openAs('read', '', method)
      expect(answer.status).toBe(405)
    }
    expect([listen.mock.calls, follow.mock.calls]).toEqual([[], []])
    const live = new Live(operate(jobs))
    const torn = { follow: vi.fn().mockImplementationOnce(() => { throw new Error('torn') }) } // biome-ignore format: one line
    const streams = new Streams(live, torn as never)
    const viewer = { role: 'read', user: 'ada', payloads: false } as const
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const request = { signal } as Request
    const open = () => streams.open(request, viewer, { job: { id: 'x', queue: 'x' } }, async () => true)
    expect(open).toThrow('torn')
    expect([live.listeners, added.mock.calls.length]).toEqual([0, removed.mock.calls.length])
    torn.follow.mockReturnValue(() => {})
    open()
    expect(live.listeners).toBe(1)
    streams.close()
    expect([live.listeners, added.mock.calls.length]).toEqual([0, removed.mock.calls.length])
    live.close()
    vi.restoreAllMocks()
  })

  test('can be opened a limited number of times by one user, and other users can still open it', async () => {
    const abort = new AbortController()
    const own = await Promise.all(Array.from({ length: 41 }, () => openAs('read', '', 'GET', abort.signal)))
    expect(own.map(({ status }) => status)).toEqual([...new Array(40).fill(200), 429])
    expect(await codeOf(own.at(-1)!)).toBe('TOO_MANY_STREAMS')
    expect((await openAs('operate', '', 'GET', abort.signal)).status).toBe(200)
    abort.abort()
    const again = new AbortController()
    expect((await openAs('read', '', 'GET', again.signal)).status).toBe(200)
    again.abort()
  })

  test('ends within a minute if authorize() no longer accepts the viewer, gives other rights, or does not answer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    let answer: () => Viewer | undefined | Promise<Viewer> = () => ({ role: 'admin', user: 'ada' })
    const asked = vi.fn(() => answer())
    await using board = dashboard({ jobs, authorize: asked })
    const open = async () => {
      answer = () => ({ role: 'admin', user: 'ada' })
      const { body } = await board(new Request('http://host/api/live'))
      const reader = body!.getReader()
      const isOver = (async () => {
        while (!(await reader.read()).done);
        return true
      })()
      await vi.advanceTimersByTimeAsync(60_000)
      return { isOver, cancel: () => reader.cancel() }
    }
    const others: (typeof answer)[] = [
      () => undefined,
      () => ({ role: 'admin', user: 'ada', payloads: false }),
      () => ({ role: 'admin', user: 'bob' }),
      () => {
        throw new Error('the sessions are away')
      },
      () => new Promise(() => {}),
    ]
    for (const other of others) {
      const { isOver } = await open()
      const before = asked.mock.calls.length
      answer = other
      await vi.advanceTimersByTimeAsync(60_000)
      expect(await isOver).toBe(true)
      expect(asked.mock.calls.length).toBe(before + 1)
    }
    const { isOver, cancel } = await open()
    await vi.advanceTimersByTimeAsync(600_000)
    await cancel()
    await isOver
    const calls = asked.mock.calls.length
    await vi.advanceTimersByTimeAsync(600_000)
    expect(asked.mock.calls.length).toBe(calls)
    vi.useRealTimers()
  })

  test('ends at once if the browser disconnects while authorize() runs', async () => {
    const signal = AbortSignal.abort()
    const request = new Request('http://host/admin/jobs/api/live', { headers: { 'x-role': 'read' }, signal })
    expect(await (await shown(request)).text()).not.toContain('snapshot')
  })

  test('sends the log of a running job, and its progress to viewers who may see it', async () => {
    let goOn = () => {}
    class WriteJob extends Job {
      override key = 'write'
      override queueName = 'emails'
      async handle() {
        this.info('reading')
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
        this.progress(1, 2)
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
      }
    }
    const { id } = await jobs.dispatch(new WriteJob().with())
    await using worker = await jobs.work({ jobs: [WriteJob], queues: ['emails'], lease: 100_000, report })
    await vi.waitFor(async () => expect((await jobs.find(id))?.state).toBe('active'))
    const input = encodeURIComponent(JSON.stringify({ job: { id, queue: 'emails' } }))
    const abort = new AbortController()
    const { signal } = abort
    const told = new Map<string, ShownReport[]>()
    for (const role of ['read', 'admin']) {
      const url = `http://host/admin/jobs/api/live?input=${input}`
      const answer = await shown(new Request(url, { headers: { 'x-role': role }, signal }))
      const reports: ShownReport[] = []
      told.set(role, reports)
      void (async () => {
        for await (const { event, data } of events(answer)) if (event === 'job') reports.push(data)
      })()
    }
    const last = (role: string) => told.get(role)!.at(-1)
    for (const role of ['read', 'admin'])
      await vi.waitFor(() => expect(last(role)?.log.map(({ text }) => text)).toEqual(['reading']), 5_000)
    goOn()
    await vi.waitFor(() => expect(last('admin')?.progress?.json).toBe('{"done":1,"total":2}'), 5_000)
    const { changes } = last('read')!
    goOn()
    await vi.waitFor(() => expect(last('read')?.changes).toBe(changes + 1), 5_000)
    expect(told.get('read')!.filter((each) => 'progress' in each)).toEqual([])
    abort.abort()
    expect(await codeOf(await look('live', { job: { id } }))).toBe('INPUT_INVALID')
    await worker.stop()
  })

  test('sends how many runs ended in all queues, in one queue, and as a trend', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'nobody' })])
    await runAll()
    const get = async (name: string, input: object = {}) => (await look(name, input)).json()
    const { at, step, steps } = (await get('ended', { range: '1h' })) as EndedRuns
    expect([step, steps.length]).toEqual([60_000, 60])
    expect(steps.at(-1)![0]).toBeGreaterThan(at - step)
    const failures = steps.reduce((sum, [, , count]) => sum + count, 0)
    expect(failures).toBe(1)
    const days = (await get('ended', { range: '90d', queue: 'emails' })) as EndedRuns
    // There are no counts for the days before the first run.
    expect(days.steps.map(([, ...counts]) => counts)).toEqual([[0, 1, 0]])
    const { queues } = (await get('trends')) as Trends
    expect(queues.emails!.reduce((sum, each) => sum + each)).toBe(1)
    expect(await codeOf(await look('ended', { range: 'toString' }))).toBe('INPUT_INVALID')
    const times = (await get('times', { range: '1h' })) as TimesOfRuns
    expect(times).toMatchObject({ range: '1h', step: 60_000 })
    expect(times.steps.map(({ wait, process }) => [wait.count, process.count])).toEqual([[1, 1]])
    expect(times.steps[0]!.process.p99).toBeGreaterThan(0)
    expect(await get('times', { range: '3d', queue: 'default' })).toMatchObject({ steps: [] })
    expect(await codeOf(await look('times', { range: '1h', queue: 'nowhere' }))).toBe('UNKNOWN_QUEUE')
  })

  test('finds the groups of a queue by a part of their names, sorted, also if there is more than one page', async () => {
    const groups = Array.from({ length: 205 }, (_, n) => `shop-${n}`)
    for (const group of [...groups, 'Acme']) await jobs.pause({ queue: 'emails', group })
    const get = async (input: object) =>
      (await look('groups', { queue: 'emails', ...input })).json() as Promise<FoundGroups>
    const names = (found: FoundGroups) => found.groups.map(({ group }) => group)
    expect(await get({})).toMatchObject({ count: 206, hasMore: false })
    expect((await get({})).groups).toHaveLength(200)
    expect((await get({ limit: 400 })).groups).toHaveLength(206)
    expect(names(await get({ name: 'acm' }))).toEqual(['Acme'])
    expect(names(await get({ name: 'shop-20', order: 'name' }))).toEqual([
      ...['shop-20', 'shop-200', 'shop-201', 'shop-202', 'shop-203', 'shop-204'],
    ])
    expect(names(await get({ order: 'name', limit: 3 }))).toEqual(['Acme', 'shop-0', 'shop-1'])
    expect(await codeOf(await look('groups', { queue: 'emails', order: 'size' }))).toBe('INPUT_INVALID')
    expect(await codeOf(await look('groups', { queue: 'nowhere' }))).toBe('UNKNOWN_QUEUE')
  })

  test('has the runs of each class, and the runs of one class by hour, day and release', async () => {
    await jobs.dispatch([new SendJob().with({ to: 'nobody' })])
    await runAll()
    const get = async (name: string, input: object = {}) => (await look(name, input)).json()
    const key = new SendJob().key
    const { classes } = (await get('classes.ran')) as Actions['classes.ran']['output']
    expect(classes.map((each) => [each.key, each.hours.at(-1), each.hours.length])).toEqual([[key, 1, 24]])
    const found = (await get('classes.get', { key })) as Actions['classes.get']['output']
    expect(found).toMatchObject({ key, compared: { last: { failed: 0 } }, slowest: [] })
    const hours = (await get('ended', { range: '3d', key })) as EndedRuns
    expect(hours.steps.map(([, ...counts]) => counts)).toEqual([[0, 1, 0]])
    const times = (await get('times', { range: '90d', key })) as TimesOfRuns
    expect(times.steps.map(({ wait, process }) => [wait.count, process.count])).toEqual([[1, 1]])
    // The runs of a class are not known by the minute.
    expect(await get('times', { range: '1h', key })).toMatchObject({ steps: [] })
    expect(await get('classes.get', { key: 'nobody' })).toBeNull()
    expect(await codeOf(await look('classes.get', {}))).toBe('INPUT_INVALID')
  })

  test('sends an event for each pause and each resume, of one queue and of all queues', async () => {
    const operating = operate(jobs, { actor: 'ada' })
    await operating.pause({ queue: 'emails', group: 'acme' })
    await operating.pause({ queue: 'default' })
    await operating.resume({ queue: 'default' })
    await expect(operating.pause({ queue: 'nowhere' })).rejects.toThrow()
    const titles = async (queue?: string) => {
      const answer = await look('marks', queue === undefined ? { range: '1h' } : { range: '1h', queue })
      return ((await answer.json()) as Mark[]).map(({ title }) => title)
    }
    expect(await titles('default')).toEqual(['queue default paused by ada', 'queue default resumed by ada'])
    expect(await titles('emails')).toEqual(['group acme of queue emails paused by ada'])
    expect(await titles()).toHaveLength(3)
  })

  test('says that the store cannot be reached, and why', async () => {
    const away = createJobs({ connection: 'redis://127.0.0.1:1/0', queues: ['emails'] })
    await using broken = dashboard({ jobs: away, authorize: () => ({ role: 'read', user: 'x' }) })
    const abort = new AbortController()
    const answer = await broken(new Request('http://host/api/live', { signal: abort.signal }))
    for await (const { event, data } of events(answer)) {
      expect(event).toBe('away')
      expect(data).toMatchObject({
        since: expect.any(Number),
        message: expect.stringContaining('has not answered'),
      })
      break
    }
    abort.abort()
    await away.close()
  })
})

test('a job is followed once for all viewers, from the first answer of the store until no viewer is left', async () => {
  const signals: AbortSignal[] = []
  let isAway = true
  const operating = {
    async *tail(_id: string, { signal }: TailOptions = {}): AsyncGenerator<TailEvent, undefined> {
      signals.push(signal as AbortSignal)
      if (isAway) throw new LarkError('STORE_UNREACHABLE', 'The store is away')
      yield { kind: 'log', line: { at: 1, level: 'info', text: 'reading' } }
      yield { kind: 'state', job: {} as JobStatus }
      await new Promise<void>((resolve) => signal!.addEventListener('abort', () => resolve()))
    },
  }
  const followed = new FollowedJobs(operating)
  const job = { id: 'one', queue: 'emails' }
  const told: JobReport[] = []
  const first = followed.follow(job, (each) => told.push(each))
  await vi.waitFor(() => expect(signals).toHaveLength(1))
  isAway = false
  await vi.waitFor(() => expect(told).toMatchObject([{ changes: 1, log: [{ text: 'reading' }] }]))
  // A viewer who comes later gets the known state first.
  const second = followed.follow(job, (each) => told.push(each))
  expect(told[1]).toEqual(told[0])
  first()
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false])
  second()
  expect(signals[1]!.aborted).toBe(true)
  const third = followed.follow(job, () => {})
  expect(signals).toHaveLength(3)
  third()
})

test('findings that take long are computed once for all viewers, and an error is not kept', async () => {
  const doctor = vi.fn().mockRejectedValueOnce(new Error('away'))
  const late = { code: 'schedule-late', level: 'error', subject: 'b', text: 'late' }
  const paused = { code: 'schedule-paused', level: 'warning', subject: 'c', text: 'paused' }
  doctor.mockResolvedValue([late, { code: 'memory', level: 'warning' }, paused])
  const missed = { id: 'a', skipped: [{ why: 'missed', to: Date.now() - 1_000 }] }
  let incidents = [late, paused]
  const [running, failing] = [{ state: 'running' }, { state: 'failing', since: Date.now() - 1_000 }]
  const ended = [{ state: 'done' }, { state: 'stopped' }, { state: 'error', since: 1 }]
  const changes = [running, failing]
  const store = {
    doctor,
    incidents: async () => incidents,
    changes: { list: async () => [...changes, ...ended] },
    schedules: { list: async () => [missed, { skipped: [] }] },
  } as never
  const troubles = new Troubles()
  await expect(troubles.now(store)).rejects.toThrow('away')
  const both = await Promise.all([troubles.now(store), troubles.now(store)])
  expect(both).toEqual([
    { missed: 2, errors: 1, incidents: [late, paused], changes },
    { missed: 2, errors: 1, incidents: [late, paused], changes },
  ])
  // The incidents are kept for some seconds, and the other findings for a minute.
  incidents = [{ code: 'memory', level: 'error', subject: 'd', text: 'full' }]
  vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 6_000)
  expect(await troubles.now(store)).toEqual({ missed: 2, errors: 1, incidents, changes })
  vi.restoreAllMocks()
  expect(doctor).toHaveBeenCalledTimes(2)
})

describe("Node's own server", () => {
  test.each(['', '/admin/jobs'])(
    'serves the page, actions and changes at %j, also with a body that was read before',
    async (mounted) => {
      await using own = dashboard({ jobs, authorize: () => ({ role: 'admin', user: 'x' }) })
      const handle = toNode(own)
      const server = createServer((request, response) => {
        // The URL in the form in which Express passes it.
        const url = request.url ?? '/'
        Object.assign(request, { originalUrl: url, url: url.slice(mounted.length) || '/', baseUrl: mounted })
        if (request.headers['x-read'] === undefined) return void handle(request, response)
        let text = ''
        request.on('data', (chunk) => {
          text += chunk
        })
        request.on('end', () => void handle(Object.assign(request, { body: JSON.parse(text) }), response))
      }).listen(0)
      const { port } = server.address() as AddressInfo
      const at = (path: string) => `http://127.0.0.1:${port}${mounted}${path}`
      expect(await (await fetch(at('/'))).text()).toContain(`<base href="${mounted}/">`)
      expect(await (await fetch(at('/api/me'))).json()).toMatchObject({ user: 'x' })
      for (const more of [{}, { 'x-read': 'yes' }]) {
        const headers = { 'content-type': 'application/json', origin: `http://127.0.0.1:${port}`, ...more }
        const body = JSON.stringify({ queue: 'emails' })
        const answer = await fetch(at('/api/queues.pause'), { method: 'POST', headers, body })
        expect(answer.status).toBe(200)
      }
      expect((await jobs.status()).queues.find(({ queue }) => queue === 'emails')?.paused).toBe(true)
      server.close()
      server.closeAllConnections()
    },
  )
})
