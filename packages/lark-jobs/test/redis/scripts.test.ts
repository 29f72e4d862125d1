/**
 * Checks the text of every Lua script by rules, and checks with a server that each script is called as its
 * header documents.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { createClient } from '@redis/client'
import { describe, expect, test } from 'vitest'
import { isFragment } from '../../build/fragments.js'
import { createJobs, Job } from '../../src/index.ts'
import { NODES } from '../../src/store/contract/flows.ts'
import { CALL_MEMORY } from '../../src/store/contract/store.ts'
import type { ScriptName } from '../../src/store/redis/client/repetition.ts'
import { textOf } from '../../src/store/redis/client/script.ts'
import { lua } from '../../src/store/redis/scripts.generated.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, failed, job, jobs, line, retried } from '../conformance/jobs.ts'
import { Server } from './server.ts'
import { openStore } from './stores.ts'

class LaterJob extends Job {
  override readonly key = 'later'
  handle(_: { n: number }): void {}
}

const folder = new URL('../../src/store/redis/lua/', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, folder), 'utf8')
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.lua'),
)
const shared = files.filter(isFragment)
const verbs = files.filter((path) => !shared.includes(path))
const nameOf = (path: string) => basename(path, '.lua') as ScriptName
const code = (text: string) => text.replace(/--.*$/gm, '')

/**
 * Whether the store numbers the calls of a script. A script with numbered calls removes the three arguments
 * of the call before it reads its own arguments.
 */
const isNumbered = (name: string) => /^-- needs: .*\bnumbered\b/m.test(read(name))
const numbering = ['calls', 'numbered'].map((each) =>
  code(read(`shared/${each}.lua`))
    .replace(/^\s*\n/gm, '')
    .replace(/^[ \t]+/gm, '')
    .replaceAll('CALL_MEMORY', String(CALL_MEMORY)),
)

/**
 * Reads the ARGV of a header: the number of single arguments, and the number of arguments of each repeated
 * item.
 */
function headerOf(name: string): { single: number; group: number } {
  const header = /^(--.*\n)+/.exec(read(name))![0]
  const words = ['', 'one', 'two', 'three', 'four', 'five']
  const numbers = [...header.matchAll(/^-- ARGV\[(\d+)(…?)\]\s+(\S+)/gm)]
  const variadic = numbers.at(-1)?.[2] === '…' ? numbers.at(-1)! : undefined
  expect(
    numbers.map((match) => Number(match[1])),
    'documented in order, none left out',
  ).toEqual(numbers.map((_, i) => i + 1))
  const group = variadic ? Math.max(1, words.indexOf(variadic[3]!)) : 0
  return { single: numbers.length - (variadic ? 1 : 0), group }
}

describe.each(verbs)('%s', (name) => {
  const text = read(name)

  test('the script begins with its documentation', () => {
    expect(text).toMatch(new RegExp(`^-- ${nameOf(name)}: `))
    expect(text).toMatch(/^-- KEYS\[1\] {2}\w+ {2,}[A-Z]+ /m)
    expect(text).toMatch(/^-- Returns {2}\S/m)
    expect(text).toMatch(/^-- Cost {5}O\(/m)
    expect(text).toMatch(/^-- ARGV\[1\] {2}clock/m)
  })

  test('the script reads the arguments that it documents, and no others', () => {
    const { single, group } = headerOf(name)
    const text = textOf(nameOf(name))
    const whole = isNumbered(name) ? numbering.reduce((rest, part) => rest.replace(part, ''), text) : text
    const used = new Set([...whole.matchAll(/ARGV\[(\d+)\]/g)].map((match) => Number(match[1])))
    const expected = Array.from({ length: single }, (_, i) => i + 1)
    expect(expected.filter((n) => !used.has(n) && !/ARGV\[i \+ 1\]/.test(whole))).toEqual([])
    expect([...used].filter((n) => n > single)).toEqual([])
    if (group > 0) expect(whole).toMatch(/ARGV\[[^\]]*[a-z][^\]]*\]|unpack\(ARGV/)
  })
})

/**
 * The allowed commands whose cost may grow with the stored data: one for each of these scripts, and only in
 * this form.
 */
const excuses: Readonly<Record<string, [command: string, form: RegExp]>> = {
  // The search for a damaged claim reads parts of a fixed size, a few in each call.
  'claim/recover.lua': ['HSCAN', /'HSCAN', key\('holders'\), cursor, 'COUNT', MAX_ITEMS\)/],
  // A purge searches for hidden jobs among the jobs with effects, and there are usually few jobs with
  // effects.
  'end/clear.lua': ['HSCAN', /'HSCAN', key\('ended'\), cursor, 'COUNT', MAX_ITEMS\)/],
  // The next page of a list must find its place again, although jobs may have left the list meanwhile.
  'look/list-waiting.lua': ['LPOS', /'LPOS', list, last, 'MAXLEN', count\)/],
  // A list has at most as many starts as the limit. The latest starts come first, and usually these are
  // removed.
  'limits/shared/refund.lua': ['LREM', /'LREM', key\('starts'\), count, mark\)/],
  // The first element of a journal says how many bytes its entries have.
  'journal/shared/recording.lua': ['LINDEX', /'LINDEX', key\('steps:' .. id\), 0\)/],
  // The list of full groups is made from the active jobs, and there are at most as many active jobs as
  // workers have slots.
  'look/list-lanes.lua': ['HVALS', /'HVALS', key\('holders'\)\)/],
}

describe.each([...verbs, ...shared])('%s', (name) => {
  const text = code(read(name))

  test('is short', () => {
    expect(read(name).split('\n').length).toBeLessThanOrEqual(300)
  })

  test('the script uses no command whose cost grows with the stored data, and decodes no JSON', () => {
    const commands = [...text.matchAll(/call\('([A-Z]+)'/g)].map(([, command]) => command)
    const forbidden =
      /^(KEYS|H?SCAN|[SZ]SCAN|LREM|LINSERT|LPOS|LINDEX|SMEMBERS|HGETALL|HKEYS|HVALS|SORT|EVAL|FLUSH)/
    const all = commands.filter((command) => {
      const [excused, form] = excuses[name] ?? []
      return command !== excused || form?.test(text) === false
    })
    expect(all.filter((command) => forbidden.test(command!))).toEqual([])
    expect(text).not.toMatch(/cjson|cmsgpack|struct\.|loadstring/)
    // A script may read only these sets as a whole: the priorities (at most 201), the limiters (as many as
    // are configured), and the signals of one job (at most `MAX_SIGNALS`).
    for (const [whole] of text.matchAll(/call\('[A-Z]*RANGE'[^)]*, 0, -1\)/g))
      expect(whole).toMatch(/'priorities'|'limiters'|\bsignals\b/)
    expect(text).not.toMatch(/while true|repeat\b/)
  })

  test('the script makes every key with the shared fragment', () => {
    if (name === 'shared/start.lua') return
    expect(text).not.toMatch(/KEYS/)
    // Three exceptions: the name of a notification channel is not a key, one fragment makes keys of another
    // partition, and one fragment compares the partition with the partition of a flow.
    const allowed = ['ring', 'offers', 'notice', 'visit', 'home']
    if (!allowed.includes(nameOf(name))) expect(text).not.toMatch(/\btag\b/)
    const calls = [...text.matchAll(/call\((?:'[A-Z]+'|[a-z]+), (.+?)[,)]/g)].map(([, key]) => key!)
    const made = /^(key\(|line\()/
    for (const key of calls) {
      const [, list] = /^(?:unpack\((\w+)|(\w+)\[\w+\])$/.exec(key)?.filter(Boolean) ?? []
      if (list !== undefined && new RegExp(`\\b${list}\\[\\w+\\] = key\\(`).test(text)) continue
      if (made.test(key) || key === 'unpack(rest' || key.startsWith("prefix .. 'bell:'")) continue
      const given = new RegExp(
        `\\b${key} = .*(key|line)\\(|\\b${key}, \\w+(, \\w+)? = line\\(|function \\w+\\(${key}`,
      )
      const alias = new RegExp(
        `local (\\w+, )*${key}\\b.* = .*(key|line)\\(|for _, ${key} in ipairs\\((rest|texts|extras\\(\\))\\)`,
      )
      expect(given.test(text) || alias.test(text), `${key} comes from key() or line()`).toBe(true)
    }
  })
})

test('each script is sent with a first line that Dragonfly needs', () => {
  // Dragonfly expects the line at the very beginning.
  for (const name of Object.keys(lua.scripts) as ScriptName[])
    expect(textOf(name).split('\n', 1)[0], name).toBe('--!df flags=allow-undeclared-keys')
})

test('each script has the hash of its assembled text', () => {
  for (const [name, { sha1 }] of Object.entries(lua.scripts))
    expect(
      createHash('sha1')
        .update(textOf(name as ScriptName))
        .digest('hex'),
      name,
    ).toBe(sha1)
})

/**
 * Records each call of a script, with the number of its arguments.
 *
 * @returns `all`: resolves when a command has named `the-last-call`
 */
async function hearCalls(
  url: string,
  heard: (sha1: string, count: number) => void,
): Promise<{ all: Promise<void>; stop: () => void }> {
  const monitor = createClient({ url })
  await monitor.connect()
  let last: () => void
  const all = new Promise<void>((resolve) => {
    last = resolve
  })
  await monitor.monitor((text) => {
    if (text.includes('"the-last-call"')) return last()
    const words = [...String(text).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word!)
    if (/evalsha/i.test(words[0] ?? '')) heard(words[1]!, words.length - 4)
  })
  return { all, stop: () => monitor.destroy() }
}

test('a purge of many moved jobs passes at most 250 jobs to one call of a script', async () => {
  await using server = await Server.start()
  await using shop = createJobs({ connection: server.url, queues: { default: {}, low: {} } })
  const drafts = Array.from({ length: 600 }, (_, n) => new LaterJob().with({ n }).delayed('1h'))
  await shop.dispatch(drafts)
  expect(await shop.move({ queue: 'default' }, 'low')).toEqual({ moved: 600, left: 0 })
  let most = 0
  const monitor = await hearCalls(server.url, (_sha1, count) => {
    most = Math.max(most, count)
  })
  expect(await shop.purge({ queue: 'low' })).toEqual({ removed: 600, running: 0 })
  await shop.find('the-last-call')
  await monitor.all
  monitor.stop()
  expect(most).toBeGreaterThanOrEqual(250)
  expect(most).toBeLessThan(300)
})

test('every script is called with the arguments that its header documents', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url)
  const seen = new Map<string, number[]>()
  const byHash = new Map<string, string>(Object.entries(lua.scripts).map(([name, { sha1 }]) => [sha1, name]))
  const monitor = await hearCalls(server.url, (sha1, count) => {
    const name = byHash.get(sha1)
    if (name) seen.set(name, [...(seen.get(name) ?? []), count])
  })

  const web = new Caller(store, 'web', 'emails')
  const worker = new Caller(store, 'worker', 'emails')
  const record = { host: 'h', pid: 1, queues: [], strict: true, concurrency: 1, running: 0, startedAt: 0 }
  await web.enqueue(...jobs(3), job({ delay: 10_000, priority: 3 }))
  const [first, second] = await worker.claim(2)
  await store.extend('emails', 'worker', [{ ...first!, log: [line('x')] }], LEASE)
  await store.journals.record('emails', [{ id: first!.id, token: first!.token, heard: 0 }])
  await worker.settle(first!, { kind: 'completed', result: '1', log: [line('y')] })
  await worker.settle(second!, retried(0))
  await worker.settle(await worker.claimOne(), failed)
  await worker.exchange([], { limit: 0, leaseMs: LEASE })
  await worker.settle(await worker.claimOne(), completed)
  await store.recover('emails')
  await web.enqueue(job())
  await worker.claim()
  await store.recover('emails', { holder: 'worker', by: 'supervisor' })
  await store.lostWorkers()
  await store.noteBlocking('worker', { by: ['ReportJob'], since: 1 })
  const flow = { id: 'flow', rev: 0, definition: 'd', state: 's', next: 1, crowd: { reserved: 9 } }
  await store.flows.write('emails', { ...flow, jobs: jobs(2) })
  await store.flows.write('emails', { ...flow, id: 'other' })
  const end = { flow: 'flow', state: 'completed', at: 1 } as const
  await store.flows.apply('emails', [
    { ...end, index: 1 },
    { ...end, index: NODES, result: '1' },
    { ...end, flow: 'other', index: 1, state: 'failed', error: 'x' },
  ])
  await store.flows.get('emails', 'flow')
  await store.flows.ends('emails', 'flow', [NODES, NODES + 1])
  await store.flows.missing('emails', 'flow', -1, 9)
  await store.flows.failed('emails', 'other', -1, 9)
  await store.flows.purge('emails', 'flow', [1, NODES])
  await store.flows.reopen('emails', 'other', [1, 2])
  await store.flows.list('emails', 9)
  await store.flows.fates('emails', ['a', 'b'])
  await store.watch('emails', 'web', ['a', 'b'], 1_000)
  await store.listen('emails', 'web', 1_000)
  const made = { id: 'nightly', rev: 0, definition: 'd', state: 's', next: 1 }
  await store.schedules.write('emails', [
    { ...made, jobs: jobs(2) },
    { ...made, id: 'weekly' },
  ])
  await store.schedules.due('emails', 9, LEASE)
  await store.schedules.get('emails', ['nightly', 'weekly'])
  await store.schedules.move('nightly', undefined, 'emails')
  await store.prune('emails')
  await store.wake('emails', 'web')
  await store.publish('emails', 'told')
  await store.announce({ ...record, id: 'worker', keys: ['a', 'b'], state: 'quiet' }, 1_000)
  await store.survey('worker', [{ partition: 'emails', waits: true, prunes: true }, { partition: 'other' }])
  const announced = {
    worker: { ...record, id: 'worker', keys: ['a', 'b'], state: 'quiet' as const },
    ttl: 1_000,
  }
  await store.survey('worker', [], announced)
  await store.order(['worker', 'other'], { id: 'one', kind: 'quiet' })
  await store.workers()
  const runs = { all: {}, lately: {}, arrived: {} }
  await store.announce({ ...announced.worker, id: 'old', runs }, 1_000)
  await server.send('ZADD', 'lark:{meta}:worker-ends', '1', 'old')
  await store.workerRuns()
  await store.retire('worker')
  await store.get('emails', first!.id)
  await store.minutes('emails')
  await store.history(['emails'])
  for (const state of ['waiting', 'delayed', 'active', 'failed'] as const)
    await store.list('emails', { state })
  await store.counts('emails')
  await store.lowered('emails')
  await store.lanes('emails', { state: 'turn' })
  await store.stand('emails', first!.id)
  await store.standings(['emails', 'other'], 1)
  await store.alter('emails', [first!.id, second!.id], { kind: 'retry' })
  await store.pause('emails', 'ada', 1_000)
  await store.configure('emails', { paused: true })
  await store.undo('emails', [(await store.get('emails', first!.id))!])
  await store.restore('emails', [{ ...(await store.get('emails', first!.id))!, id: 'gone', state: 'failed' }])
  await store.moves.where('emails', [second!.id])
  await store.moves.meets('mails', [{ id: second!.id, lock: 'x' }])
  const { jobs: moving } = await store.moves.take('emails', [second!.id], ['mails'])
  await store.moves.put('mails', moving)
  await store.moves.settle('emails', moving)
  await store.moves.revoke('mails', moving)
  await store.moves.due('emails')
  await store.clear('emails', 'failed')
  await store.journals.signal('emails', 'early', {
    name: 'approved',
    text: '',
    key: 'click',
    mayBeEarly: true,
  })
  await store.journals.read('emails', 'early', 0)
  await store.journals.bring('emails', 'brought', { at: 0, entries: ['fcharge\n'], signals: [] })
  await store.journals.append('emails', 'early', { at: 0, entries: ['fcharge\n'] })
  await store.audit.write('one', '{}', { count: 9, age: LEASE })
  await store.audit.list(9)
  const call = { holder: 'worker', number: 1, limits: { concurrency: 2 }, held: 0, wanted: 1, leaseMs: LEASE }
  await store.limiters.permit('stripe', call)
  await store.limiters.permit('stripe', {
    ...call,
    number: 2,
    after: 1,
    unused: [{ number: 1, mark: 1, count: 1 }],
  })
  await store.limiters.renew('stripe', 'worker', LEASE)
  const rule = { failures: 1, per: 1_000, pause: 1_000 }
  await store.limiters.circuit('stripe', rule, { kind: 'failed', id: 'x' })
  await store.limiters.look('stripe')
  await store.get('emails', 'the-last-call')
  await monitor.all
  monitor.stop()

  expect([...seen.keys()].sort()).toEqual(Object.keys(lua.scripts).sort())
  for (const [name, counts] of seen) {
    const path = verbs.find((each) => nameOf(each) === name)!
    const { single, group } = headerOf(path)
    for (const count of counts) {
      const rest = count - single - (isNumbered(path) ? 3 : 0)
      expect(group === 0 ? rest : rest % group, `${name} is called with ${count} arguments`).toBe(0)
      expect(rest, name).toBeGreaterThanOrEqual(0)
    }
  }
})
