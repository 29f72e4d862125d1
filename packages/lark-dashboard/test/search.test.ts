/** Tests the stream of a search: what it sends to which viewer, and that it leaves nothing behind. */
import { chain, createJobs, group, Job, type Jobs } from '@s18i/lark-jobs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Dashboard, dashboard, type Role } from '../src/index.ts'
import type { Suggestions } from '../src/server/look/suggestions.ts'
import type { FoundStep } from '../src/server/searches.ts'

class OrderJob extends Job {
  override readonly key = 'order'
  static override readonly redact = ['card']
  handle(_: { order: string; card?: string }): void {}
}

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

let jobs: Jobs
let shown: Dashboard

beforeEach(() => {
  jobs = createJobs({ connection: 'sqlite::memory:', jobs: [OrderJob], queues: ['default', 'mail'] })
  shown = dashboard({
    jobs,
    authorize: (request) => {
      const [role, payloads] = (request.headers.get('x-role') ?? '').split(' ')
      if (!role) return undefined
      return { role: role as Role, user: role, ...(payloads && { payloads: payloads === 'yes' }) }
    },
  })
})

afterEach(async () => {
  await shown.close()
  await jobs.close()
})

function open(input: object, role = 'admin', options: RequestInit = {}): Promise<Response> {
  const url = `http://host/api/search?input=${encodeURIComponent(JSON.stringify(input))}`
  return shown(new Request(url, { headers: { 'x-role': role }, ...options }))
}

interface Heard {
  steps: FoundStep[]
  /** How the stream ended: `end` or `failed`. */
  end: string | undefined
  text: string
}

async function heard(answer: Response): Promise<Heard> {
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/event-stream')
  const text = await answer.text()
  const events = [...text.matchAll(/^event: (\w+)\ndata: (.*)$/gm)]
  const steps = events.filter(([, name]) => name === 'found').map(([, , data]) => JSON.parse(data!))
  return { steps, end: events.at(-1)?.[1], text }
}

const found = ({ steps }: Heard) => steps.flatMap((step) => step.jobs.map(({ id }) => id))
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

async function fill(count: number): Promise<void> {
  const all = Array.from({ length: count }, (_, n) => ({ order: `A-${n}`, card: `4242-${n}` }))
  await jobs.dispatchMany(new OrderJob(), all as [(typeof all)[number]])
}

test('a search reads all jobs, and sends the job with the value, without payload values', async () => {
  await fill(5_000)
  const search = await heard(await open({ filter: { where: { order: 'A-4999' } } }))
  expect(found(search)).toHaveLength(1)
  expect(search.end).toBe('end')
  expect(search.steps.at(-1)).toMatchObject({ looked: 5_000, of: 5_000 })
  expect(search.steps.at(-1)!.cursor).toBeUndefined()
  for (const name of ['"payload"', '"result"', 'A-4999']) expect(search.text).not.toContain(name)
})

test('a search ends after a page of found jobs, and can go on after its cursor, also in another process', async () => {
  await fill(450)
  const ids: string[] = []
  let cursor: string | undefined
  for (const count of [200, 200, 50]) {
    const search = await heard(await open({ filter: { key: 'order' }, ...(cursor && { cursor }) }))
    expect(found(search)).toHaveLength(count)
    ids.push(...found(search))
    cursor = search.steps.at(-1)!.cursor
    await shown.close()
    shown = dashboard({ jobs, authorize: () => ({ role: 'admin', user: 'another' }) })
  }
  expect(cursor).toBeUndefined()
  expect(new Set(ids).size).toBe(450)
})

test('a viewer who may not see payloads cannot search in them, and nobody finds redacted parts', async () => {
  await fill(3)
  for (const role of ['read', 'operate', 'admin no']) {
    const answer = await open({ filter: { where: { order: 'A-1' } } }, role)
    expect(answer.status, role).toBe(403)
    expect(await codeOf(answer)).toBe('VALUES_REFUSED')
  }
  expect(found(await heard(await open({ filter: { where: { order: 'A-1' } } }, 'read yes')))).toHaveLength(1)
  const hidden = await heard(await open({ filter: { where: { card: '4242-1' } } }))
  const absent = await heard(await open({ filter: { where: { card: '4242-x' } } }))
  expect([found(hidden), hidden.steps.length]).toEqual([[], absent.steps.length])
  const plain = await heard(await open({ filter: { key: 'order' } }, 'read'))
  expect(found(plain)).toHaveLength(3)
  expect(plain.text).not.toContain('A-1')
})

test('a wrong search is refused with an answer before the stream begins', async () => {
  expect(await codeOf(await open({ filter: { queue: 'nothing' } }))).toBe('UNKNOWN_QUEUE')
  expect(await codeOf(await open({ filter: { colour: 'red' } }))).toBe('FILTER_INVALID')
  expect(await codeOf(await open({ cursor: 'x' }))).toBe('CURSOR_INVALID')
  expect(await codeOf(await open({ limit: 201 }))).toBe('INPUT_INVALID')
  expect((await open({}, '')).status).toBe(401)
  const headers = { 'x-role': 'admin', 'content-type': 'application/json', origin: 'http://host' }
  expect((await open({}, 'admin', { method: 'POST', headers })).status).toBe(405)
  // Refused searches do not count towards the limit.
  for (let i = 0; i < 20; i++) expect((await heard(await open({}))).end).toBe('end')
})

test('the search box gets names and ids, and payload fields only for viewers who may see payloads', async () => {
  const suggest = async (text: string, role = 'admin') => {
    const url = `http://host/api/jobs.suggest?input=${encodeURIComponent(JSON.stringify({ text }))}`
    const answer = await shown(new Request(url, { headers: { 'x-role': role } }))
    expect(answer.status).toBe(200)
    return (await answer.json()) as Suggestions
  }
  class RoomyJob extends OrderJob {
    override readonly key: 'order' = 'order'
    override tries = 1
    override group = group(({ order }: { order: string }) => `acme ${order}`)
    override handle(_: { order: string; card?: string }): void {
      throw new Error('the warehouse is closed')
    }
  }
  await jobs.dispatch(chain([new OrderJob().with({ order: 'A-1' })]).name('orders-of-may'))
  const draft = new RoomyJob().with({ order: 'A-77', card: 'A-78' }).tagged('vip').withId('order-7')
  await jobs.dispatch([draft])
  const worker = await jobs.work({ jobs: [RoomyJob], stopWhenEmpty: true, report: silent })
  await worker.done
  expect(await suggest('order')).toMatchObject({ keys: ['order'], flows: ['orders-of-may'], tags: [] })
  expect((await suggest('order-7')).job).toMatchObject({ queue: 'default', state: 'failed' })
  expect((await suggest('VI')).tags).toEqual(['vip'])
  expect((await suggest('cm')).groups).toEqual(['acme A-77'])
  expect((await suggest('warehouse')).kinds[0]).toMatchObject({ message: 'the warehouse is closed' })
  expect((await suggest('A-77')).fields).toEqual(['order'])
  expect((await suggest('77')).fields).toEqual([])
  for (const role of ['read', 'operate', 'admin no']) expect((await suggest('A-77', role)).fields).toEqual([])
  for (const text of ['%', '../x', ' ', 'x'.repeat(5_000), '\u0000'])
    expect((await suggest(text)).tags, text).toEqual([])
  await jobs.dispatch([new OrderJob().with({ order: 'A-9' }).onQueue('mail').withId('order-7')])
  const twice = await suggest('order-7')
  expect([twice.job, twice.keys]).toEqual([undefined, []])
})

test('a search stops when the browser disconnects, and the next searches get their turn', async () => {
  await fill(60_000)
  const filter = { where: { order: 'nothing' } }
  const gone = new AbortController()
  const first = await Promise.all([open({ filter }), open({ filter }, 'admin', { signal: gone.signal })])
  const waiting = open({ filter: { where: { order: 'A-7' } } })
  const begun = performance.now()
  await first[0].body!.cancel()
  gone.abort()
  expect(found(await heard(await waiting))).toHaveLength(1)
  // To read 60,000 jobs takes half a second. If the disconnected searches went on, this search would have to
  // wait for two of them.
  expect(performance.now() - begun).toBeLessThan(5_000)
  const steps = await heard(first[1])
  expect(steps.steps.at(-1)!.looked).toBeLessThan(60_000)
})

test('the number of simultaneous searches of one user is limited, and other users can still search', async () => {
  await fill(60_000)
  const filter = { where: { order: 'nothing' } }
  const abort = new AbortController()
  const own = Array.from({ length: 11 }, () => open({ filter }, 'admin', { signal: abort.signal }))
  expect(await codeOf(await own.at(-1)!)).toBe('TOO_MANY_STREAMS')
  const other = open({ filter: { where: { order: 'A-1' } } }, 'read yes')
  abort.abort()
  expect(found(await heard(await other))).toHaveLength(1)
})
