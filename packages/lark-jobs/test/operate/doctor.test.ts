/** `operate().doctor()` and `jobs:doctor`: the findings for given facts, and the output of the command. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { JobsDoctorCommand } from '../../src/commands/look/jobs-doctor.ts'
import { remarksOn } from '../../src/commands/look/queue-remarks.ts'
import { inCommands } from '../../src/commands/words/remedy-commands.ts'
import { createJobs, every, Job } from '../../src/index.ts'
import type { WorkerRecord } from '../../src/model/record.ts'
import { version } from '../../src/model/version.ts'
import { type PartitionSample, queueFindings } from '../../src/operate/doctor/queue-findings.ts'
import { changeFindings } from '../../src/operate/findings/change-findings.ts'
import { fileFindings } from '../../src/operate/findings/file-findings.ts'
import { type DoctorFinding, findingCodes } from '../../src/operate/findings/finding-codes.ts'
import { scheduleFindings } from '../../src/operate/findings/schedule-findings.ts'
import { serverFindings } from '../../src/operate/findings/server-findings.ts'
import { bytes } from '../../src/operate/findings/size.ts'
import { status } from '../../src/operate/measures/status.ts'
import { operate } from '../../src/operate.ts'
import type { ServerFacts, ServersInspection, StoreFileFacts } from '../../src/store/contract/inspection.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Harness } from '../conformance/harness.ts'
import { completed, failed, job, jobs, retried } from '../conformance/jobs.ts'
import { startSentinel } from '../redis/sentinel.ts'
import { open as openRaw } from '../sqlite/raw.ts'

/** Returns the findings that are problems, each as `level code`. */
const wrong = (findings: readonly DoctorFinding[]) => {
  for (const { code, level, text, advice } of findings) {
    expect(code in findingCodes).toBe(true)
    expect(advice === undefined, `${code}: ${text}`).toBe(level === 'ok')
  }
  return findings.filter(({ level }) => level !== 'ok').map(({ level, code }) => `${level} ${code}`)
}

const sound: ServerFacts = {
  ...{ name: 'redis://a:6379', software: 'Redis', version: '8.0.2', isNode: false },
  ...{ evictionPolicy: 'noeviction', maxMemory: 1e9, usedMemory: 1e8, systemMemory: 8e9 },
  ...{ appendOnly: true, appendSync: 'everysec', isAppending: true, isSaving: true },
  ...{ replicas: [], needsReplicas: false, clock: { ahead: 20, within: 5 }, refused: [] },
}
const replica = { name: 'b:6379', isOnline: true, silence: 1_000, behind: 0 }

const servers = (more: Partial<ServersInspection> & { server?: Partial<ServerFacts> } = {}) => {
  const { server, ...rest } = more
  const each = { ...sound, ...server }
  return serverFindings({
    kind: 'redis',
    way: 'server',
    durability: 'normal',
    isManaged: false,
    servers: [each],
    ...rest,
  })
}

test('for a healthy store, all findings are fine', () => {
  const findings = servers()
  expect(wrong(findings)).toEqual([])
  expect(findings.map(({ code }) => code)).toEqual([
    ...[
      'server-answers',
      'server-version',
      'cluster-connection',
      'eviction',
      'append-only',
      'disk-writes',
      'memory',
    ],
    ...['server-clock', 'rights'],
  ])
})

test.each<[expected: string[], Parameters<typeof servers>[0]]>([
  [['error server-answers'], { server: { failure: 'ECONNREFUSED' } }],
  [['error server-version'], { server: { version: '6.0.16' } }],
  [['error server-version'], { server: { software: 'Valkey', version: '7.1.0' } }],
  [[], { server: { version: '6.2.0' } }],
  [['warning cluster-connection'], { server: { isNode: true } }],
  [[], { way: 'cluster', server: { isNode: true, replicas: [replica] } }],
  [['error eviction'], { server: { evictionPolicy: 'allkeys-lru' } }],
  [[], { server: { evictionPolicy: 'allkeys-lru', maxMemory: 0 } }],
  [['warning append-only'], { server: { appendOnly: false } }],
  [[], { isManaged: true, server: { appendOnly: false } }],
  [['warning append-only'], { server: { appendSync: 'no' } }],
  [[], { durability: 'strict', server: { appendSync: 'no' } }],
  [['error disk-writes'], { server: { isAppending: false } }],
  [['error disk-writes'], { server: { isSaving: false } }],
  [['warning memory'], { server: { usedMemory: 0.75e9 } }],
  [['error memory'], { server: { usedMemory: 0.9e9 } }],
  [['error memory'], { server: { maxMemory: 0, usedMemory: 7.9e9 } }],
  [['error replicas'], { durability: 'replicated' }],
  [['warning replicas'], { durability: 'replicated', server: { replicas: [replica] } }],
  [[], { durability: 'replicated', server: { replicas: [replica], needsReplicas: true } }],
  [['warning replicas'], { way: 'sentinel' }],
  [['warning replicas'], { server: { replicas: [{ ...replica, isOnline: false }] } }],
  [['warning replicas'], { server: { replicas: [{ ...replica, silence: 60_000 }] } }],
  [['warning replicas'], { server: { replicas: [{ ...replica, behind: 1e9 }] } }],
  [['warning server-clock'], { server: { clock: { ahead: -1_006, within: 5 } } }],
  [[], { server: { clock: { ahead: -1_005, within: 5 } } }],
  [['error rights'], { server: { refused: ['hset'] } }],
  [
    ['warning server-version', 'warning server-clock'],
    {
      servers: [
        { ...sound, clock: { ahead: -600, within: 2 } },
        { ...sound, version: '7.4.1', clock: { ahead: 600, within: 2 } },
      ],
    },
  ],
])('of a server: %j', (expected, facts) => {
  expect(wrong(servers(facts))).toEqual(expected)
})

const file: StoreFileFacts = {
  ...{ path: '/app/.lark/jobs.db', journal: 'wal', isSynced: false, size: 1e6, free: 0, log: 1e6 },
  ...{ disk: 1e10, reserve: 4e6 },
}

test.each<[expected: string[], Partial<StoreFileFacts>, durability?: 'normal' | 'strict']>([
  [[], {}],
  [['error journal'], { journal: 'delete' }],
  [['error journal'], {}, 'strict'],
  [[], { isSynced: true }, 'strict'],
  [['error network-file'], { network: 'NFS' }],
  [['warning disk-space'], { disk: 1e8 }],
  [['error disk-space'], { disk: 4e6 }],
  [['warning log-size'], { log: 1e9 }],
])('of a file: %j', (expected, facts, durability = 'normal') => {
  const rest = { kind: 'sqlite', library: 'node:sqlite', durability } as const
  expect(
    wrong(fileFindings({ ...rest, version: '3.51.3', isSound: true, file: { ...file, ...facts } })),
  ).toEqual(expected)
  expect(wrong(fileFindings({ ...rest, version: '3.45.1', isSound: false }))).toEqual([
    'warning sqlite-version',
  ])
})

const HOUR = 3_600_000
const DAY = 24 * HOUR

const worker = (fields: Partial<WorkerRecord> = {}): WorkerRecord => ({
  ...{ id: 'ada', host: 'h', pid: 1, queues: ['emails'], strict: false, concurrency: 1, running: 0 },
  ...{ keys: ['send-email'], startedAt: 0, state: 'running', version },
  ...fields,
})

test('the doctor finds problems of queues and workers', async () => {
  await using harness = await Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))
  const { store, clock } = harness
  const queues = new Map([['emails', 1]])
  const look = async (
    workers: WorkerRecord[],
    sample: Partial<PartitionSample> = {},
    limiters: string[] = [],
    target?: number,
  ) => {
    for (const each of workers) await store.announce(each, HOUR)
    const facts = await status({ store, queues }, new Map(target === undefined ? [] : [['emails', target]]))
    for (const each of workers) await store.retire(each.id)
    const samples = [{ queue: 'emails', partition: 'emails', active: [], unreadable: [], ...sample }]
    const found = wrong(queueFindings({ status: facts, samples, limiters, now: clock.now }))
    // `jobs:status` has the same remark about a late queue as the doctor.
    const remarks = [...remarksOn(facts)].map(({ text }) => text)
    const isLate = remarks.some((text) => /its target is|has ended within a minute/.test(text))
    expect(isLate, remarks.join()).toBe(found.some((each) => each.endsWith('queue-late')))
    // jobs:status also has the same remark about a queue whose jobs fail.
    for (const [code, words] of [
      [
        'failing-jobs',
        /^emails: .+ failed within (an hour|5 minutes): see lark jobs:failed --group --queue=emails$/,
      ],
      ['retrying-jobs', /^emails: .+ for the next try: see lark jobs:list .*--queue=emails/],
    ] as const)
      expect(
        remarks.some((text) => words.test(text)),
        remarks.join(),
      ).toBe(found.some((each) => each.endsWith(code)))
    return found
  }
  expect(await look([worker()])).toEqual([])
  expect(await look([])).toEqual(['warning queue-served'])
  await harness.caller().enqueue(job({ delay: HOUR }))
  expect(await look([])).toEqual(['warning queue-served'])
  await harness.caller().enqueue(job())
  expect(await look([])).toEqual(['error queue-served'])
  expect(await look([worker({ state: 'quiet' })])).toEqual(['warning queue-served'])
  expect(await look([worker({ keys: [] })])).toEqual(['warning known-jobs'])
  expect(await look([worker({ version: '0.0.1' })])).toEqual(['warning lark-versions'])
  const { version: _, ...old } = worker({ id: 'old' })
  expect(await look([worker(), old])).toEqual(['warning lark-versions'])
  expect(await look([worker({ queues: ['emails', 'sms'] })])).toEqual(['warning worker-queues'])
  expect(await look([worker({ limiters: ['stripe'] })], {}, ['stripe', 'mail'])).toEqual([
    'warning limiter-used',
  ])
  expect(await look([worker({ startedAt: clock.now })], {}, ['mail'])).toEqual([])
  // The oldest job waits for longer than the target of the queue, or no job ends.
  clock.advance(60_000)
  expect(await look([worker()], {}, [], 60_000)).toEqual([])
  clock.advance(1)
  expect(await look([worker()], {}, [], 60_000)).toEqual(['error queue-late'])
  expect(await look([worker()], {}, [], 60_001)).toEqual(['warning queue-late'])
  expect(await look([])).toEqual(['error queue-served'])
  await harness.caller().run(job(), completed)
  expect(await look([worker()])).toEqual([])
  await harness.store.clear('emails', 'waiting')
  // First, a few jobs fail. Then more jobs fail than the doctor accepts.
  for (const each of jobs(9)) await harness.caller().run(each, failed)
  expect(await look([worker()])).toEqual([])
  await harness.caller().run(job(), failed)
  expect(await look([worker()])).toEqual(['error failing-jobs'])
  for (const each of jobs(11)) await harness.caller().run(each, completed)
  expect(await look([worker()])).toEqual(['warning failing-jobs'])
  for (const each of jobs(79)) await harness.caller().run(each, completed)
  expect(await look([worker()])).toEqual([])
  for (const state of ['completed', 'failed'] as const) await harness.store.clear('emails', state)
  // Many jobs that wait for their next try.
  await harness.caller().enqueue(...jobs(100))
  const held = await harness.caller('ada').claim(200)
  for (const one of held.slice(0, 99)) await harness.caller('bob').settle(one, retried(HOUR))
  expect(await look([worker()])).toEqual([])
  await harness.caller('eve').settle(held[99]!, retried(HOUR))
  expect(await look([worker()])).toEqual(['warning retrying-jobs'])
  await harness.store.clear('emails', 'delayed')
  // Jobs that no worker could read.
  const because = 'its payload is of version 2, and its class here is of version 1'
  await harness.caller().run(job(), { kind: 'released', in: HOUR, because, isStranded: true })
  expect(await look([worker()])).toEqual(['error stranded-jobs'])
  expect(await look([])).toEqual(['error queue-served', 'error stranded-jobs'])
  await harness.store.clear('emails', 'delayed')
  expect(await look([worker()], { failure: 'not a hash' })).toEqual(['error damaged-data'])
  expect(await look([worker()], { unreadable: [{ id: 'a' }] })).toEqual(['error unreadable-jobs'])
  expect(await look([worker()], { unreadable: [{ id: 'a', mark: 'v9' }] })).toEqual(['error unreadable-jobs'])
  expect(await look([worker()], { lostFor: 2_000 })).toEqual(['error lost-leases'])
  const active = (holder: string, age: number) => ({
    active: [{ id: 'a', holder, claimedAt: clock.now - age }],
  })
  expect(await look([worker()], active('ada', DAY))).toEqual([])
  expect(await look([worker()], active('ada', DAY + 1))).toEqual(['warning long-runs'])
  expect(await look([worker()], active('bob', 0))).toEqual(['warning silent-workers'])
  const doubted = (age: number) => ({ doubts: [{ id: 'a', at: clock.now - age }] })
  expect(await look([worker()], doubted(DAY - 1))).toEqual(['warning may-have-finished'])
  expect(await look([worker()], doubted(DAY))).toEqual([])
  await store.configure('emails', { paused: true })
  await harness.caller('web', 'old').enqueue(job())
  const others = ['warning queue-paused', 'error queue-served', 'warning queue-configured']
  expect(await look([worker()])).toEqual(others)
  // The workers of this test close the store without an announcement, so they count as dead.
  const lost = await store.lostWorkers()
  const facts = { status: await status({ store, queues }), samples: [], limiters: [], now: clock.now, lost }
  const findings = queueFindings(facts)
  const unserved = findings.find(({ code, subject }) => code === 'queue-served' && subject === 'old')
  expect(inCommands(unserved!.advice!)).toBe(
    'Move its jobs: lark jobs:move --queue=old --to=emails; or name it in jobs.queues, then: lark jobs:work --queue=old',
  )
  expect(findings.find(({ code }) => code === 'lost-workers')).toMatchObject({
    level: 'warning',
    text: expect.stringMatching(/^died within an hour: .*ada on h, last seen /),
  })
})

const folder = mkdtempSync(join(tmpdir(), 'lark-doctor-'))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true }))

class MailJob extends Job {
  override readonly key = 'mail'
  handle(_payload: { n: number }) {}
}

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(['jobs:doctor', ...words], { commands: [JobsDoctorCommand], console })
  return { code, stdout: console.stdout, stderr: console.stderr }
}

test('jobs:doctor prints each problem with its remedy, and exits with 1 if there is an error', async () => {
  const path = join(folder, 'jobs.db')
  const connection = `sqlite:${path}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  await using jobs = createJobs({ connection })
  const idle = await lark()
  expect([idle.code, idle.stdout]).toEqual([
    0,
    expect.stringMatching(
      /^ +FINDING\n(! {2}.*\n {3}→ .*\n)*! {2}default: no worker serves it; it has no jobs now\n {3}→ lark jobs:work --queue=default\n\d+ warnings?, \d+ of \d+ checks are fine\n$/,
    ),
  ])
  expect((await lark('--strict')).code).toBe(1)
  await jobs.dispatch(new MailJob().with({ n: 1 }))
  const found = await lark('--json')
  expect(found.code).toBe(1)
  const { findings, errors } = JSON.parse(found.stdout) as {
    findings: (DoctorFinding & { remedy?: string })[]
    errors: number
  }
  expect(errors).toBe(1)
  const named = (all: readonly DoctorFinding[]) =>
    all.map(({ code, level, subject }) => [code, level, subject])
  expect(named(findings)).toEqual(named(await operate(jobs).doctor()))
  expect(findings.find(({ level }) => level === 'error')).toMatchObject({
    ...{ code: 'queue-served', subject: 'default', text: 'no worker serves it, and 1 job waits' },
    remedy: 'lark jobs:work --queue=default',
  })
  const all = await lark('--verbose')
  expect(all.stdout).toContain('✓  default: can be read (damaged-data)\n')
  const raw = openRaw(path)
  raw.exec(`UPDATE jobs SET options = '!v9;x'`)
  raw.close()
  expect((await lark()).stdout).toContain('✗  default: 1 job is in a format of a newer Lark (v9)')
})

test('the doctor finds schedules that do not tick because they are paused, or because no worker knows the class', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  await jobs.schedules.set('nightly', new MailJob().with({ n: 1 }), every('1h'))
  const [nightly] = await operate(jobs).schedules.list()
  const due = nightly!.next!
  const look = (workers: WorkerRecord[], now: number) => {
    const findings = scheduleFindings([nightly!], workers, now)
    return [...wrong(findings), inCommands(findings.find(({ level }) => level !== 'ok')?.advice ?? [])]
  }
  expect(look([], due + 10_000)).toEqual(['warning schedule-known', 'lark jobs:work --queue=default'])
  expect(look([worker({ keys: ['mail'] })], due + 10_000)).toEqual([''])
  expect(look([], due + 10_001)).toEqual(['error schedule-late', 'lark jobs:work --queue=default'])
  const knows = ['error schedule-late', 'Look at the log of the workers: lark jobs:workers']
  expect(look([worker({ keys: ['mail'] })], due + HOUR)).toEqual(knows)
  const deploy = 'Deploy its class, or remove the schedule. See who lives: lark jobs:workers'
  expect(look([worker({ keys: ['other'] })], due + HOUR)).toEqual(['error schedule-late', deploy])
  expect(look([worker({ keys: ['other'] })], due - HOUR)).toEqual(['warning schedule-known', deploy])
  const found = async () => wrong(await operate(jobs).doctor()).filter((each) => each.includes('schedule'))
  expect(await found()).toEqual(['warning schedule-known'])
  await jobs.schedules.pause('nightly', { because: 'a deploy' })
  expect(await found()).toEqual(['warning schedule-paused'])
  const paused = (await operate(jobs).doctor()).find(({ code }) => code === 'schedule-paused')
  expect(paused?.subject).toBe('nightly')
  expect(inCommands(paused?.advice ?? [])).toBe('lark schedule:resume nightly')
  await jobs.schedules.resume('nightly')
  expect(await found()).toEqual(['warning schedule-known'])
})

test('jobs:doctor and jobs:status show a paused change at a pace, and a change that has stopped by itself', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  const operating = operate(jobs)
  await jobs.dispatch(new MailJob().with({ n: 1 }).delayed('1d'))
  const found = async () => wrong(await operating.doctor()).filter((each) => each.includes('change'))
  const { id } = await operating.changes.begin('run-now', { key: 'mail' }, { limit: 1, per: '1h' })
  expect(await found()).toEqual([])
  await operating.changes.pause(id, { because: 'lunch' })
  expect(await found()).toEqual(['warning change-halted'])
  const paused = (await operating.doctor()).find(({ code }) => code === 'change-halted')!
  expect(`${paused.subject} ${paused.text}. ${inCommands(paused.advice ?? [])}`).toBe(
    `run-now jobs of key mail is a change at a pace, and paused, with 1 job left: lunch. Resume it, stop it, or begin it again: lark jobs:changes ${id}`,
  )
  const { alarms } = await operating.status()
  expect(alarms.map(({ code }) => code)).toContain('change-halted')
  await operating.changes.stop(id)
  expect(await found()).toEqual([])
  const [change] = await operating.changes.list()
  const failing = {
    ...change!,
    state: 'failing',
    since: 1_000,
    because: '50 of the last 60 jobs failed again',
  } as const
  expect(changeFindings([failing], HOUR)).toMatchObject([
    { level: 'warning', text: 'has ended by itself, with 1 job left: 50 of the last 60 jobs failed again' },
  ])
  expect(changeFindings([failing], 25 * HOUR)).toEqual([])
})

test('for a primary with Sentinels, the doctor checks whether replicas follow', async () => {
  await using fleet = await startSentinel({ sentinels: 1 })
  vi.stubEnv('LARK_JOBS_URL', fleet.url)
  expect((await lark('--verbose')).stdout).toMatch(/^✓ {2}\S+: 1 replica follows \(replicas\)$/m)
  await fleet.servers[1]!.kill()
  const found = await lark()
  expect(found.stdout).toMatch(
    /^! {2}redis\+sentinel:\S+: has no replica: nothing takes its place if it dies\n {3}→ Start a replica\.$/m,
  )
  expect(found.code).toBe(0)
})

test('the doctor reports a store that cannot be opened as a finding', async () => {
  vi.stubEnv('LARK_JOBS_URL', 'redis://127.0.0.1:1')
  const { code, stdout } = await lark()
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /^ +FINDING\n✗ {2}the store: .*127\.0\.0\.1:1.* cannot be reached: .*\n {3}→ Is Redis running there\?/,
  )
})

test.each([40, 80, 200])('in a terminal with %i columns, lines break only between words', async (columns) => {
  vi.stubEnv('LARK_JOBS_URL', `sqlite:${join(folder, `${columns}.db`)}`)
  const console = new MemoryConsole({ isTTY: true, columns })
  await run(['jobs:doctor', '--verbose'], { commands: [JobsDoctorCommand], console })
  const lines = stripVTControlCharacters(console.stdout).split('\n')
  const whole = lines.map((line) => line.trim()).join(' ')
  expect(whole).toContain(
    'no worker serves it; it has no jobs now (queue-served) → lark jobs:work --queue=default',
  )
  // A path of a file is one word.
  expect(lines.filter((line) => line.trimEnd().length > columns && !line.includes(folder))).toEqual([])
  expect(lines.length).toBeGreaterThan(columns < 200 ? 12 : 3)
})

test('the manual has a row for each code of a finding', () => {
  const page = readFileSync(new URL('../../../../docs/doctor.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]*) \|$/gm)].map(([, code, text]) => [code, text])
  expect(rows).toEqual(Object.entries(findingCodes))
})

test('bytes are shown with a unit', () => {
  expect([0, 999, 1_000, 1_234_567, 64e9].map(bytes)).toEqual([
    '0 bytes',
    '999 bytes',
    '1 kB',
    '1.2 MB',
    '64 GB',
  ])
})
