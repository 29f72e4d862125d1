/**
 * One large batch on Redis, whose workers are killed again and again. With `isLeft`, the dispatcher is killed
 * when half of the batch is queued. The members write no journals. Instead, the account compares how often
 * workers ran each member with the counts of the batch.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createJobs } from '../../src/index.ts'
import type { FlowInfo } from '../../src/operate/flows/flow-info.ts'
import { Random } from '../conformance/random.ts'
import { startRedis } from '../redis/server.ts'
import { Crew, type Role } from './crew.ts'
import { serverArgs } from './faults/server.ts'
import { Journals } from './journals.ts'

export interface LargeBatchOptions {
  /** The number of members. */
  count: number
  seed: number
  /** Whether the dispatcher is killed when half of the members are queued. */
  isLeft: boolean
  /** The length of leases in milliseconds. */
  leaseMs: number
  /** Called with a line for each event. */
  say: (line: string) => void
}

export interface LargeBatchAccount {
  state: FlowInfo['state']
  reason: string | undefined
  counts: FlowInfo['counts']
  /**
   * `filled`: seconds until all members were queued, or until the dispatcher was killed. `ended`: seconds
   * until the batch had ended.
   */
  filled: number
  ended: number
  kills: number
  /**
   * `ran`: how many members ran. The next field: how many more runs there were than the first run of each
   * member.
   */
  ran: number
  again: number
  /** How often each callback was called, by its name. */
  callbacks: Record<string, number>
  /** The memory of each process in MiB: at the start, and the maximum. */
  memory: { dispatcher: number[]; worker: number[]; server: number[] }
  /** The broken promises. */
  findings: string[]
}

const queues = ['alpha', 'beta', 'gamma']
const names = ['w0', 'w1', 'w2']
/** Milliseconds between two kills, at least and at most. */
const BETWEEN = [2_000, 8_000] as const
const LOOK = 250
/** Milliseconds without any progress after which the batch counts as stuck. */
const STUCK = 120_000
const MIB = 2 ** 20

export async function largeBatch(options: LargeBatchOptions): Promise<LargeBatchAccount> {
  const { count, seed, isLeft, leaseMs, say } = options
  const random = new Random(seed)
  const folder = await mkdtemp(join(tmpdir(), 'lark-chaos-'))
  const flow = 'large'
  const prefix = 'chaos'
  try {
    const journals = new Journals(folder)
    await using server = await startRedis({ args: serverArgs() })
    const memoryOfServer = async (what: string) =>
      Number(new RegExp(`^${what}:(\\d+)`, 'm').exec(String(await server.send('INFO', 'memory')))![1])
    const first = await memoryOfServer('used_memory')
    const env = { CHAOS_COUNT: String(count), CHAOS_FLOW: flow }
    const role = (name: string, what: Role['what']): Role => ({ name, what, queues, url: server.url, env })
    const workers = names.map((name) => role(name, 'tally'))
    const dispatcher = role('d0', 'fill')
    await using crew = new Crew({
      ...{ journals, prefix, leaseMs, limits: {}, permits: 1, rate: 1, durability: 'normal', form: 'long' },
    })
    await using jobs = createJobs({ connection: server.url, prefix, queues })
    await Promise.all(workers.map((each) => crew.start(each)))
    const began = performance.now()
    const seconds = () => Math.round((performance.now() - began) / 100) / 10
    await crew.start(dispatcher)
    let kills = 0
    let filled: number | undefined
    let info: FlowInfo | undefined
    let next = performance.now() + BETWEEN[0]
    let done = 0
    let since = performance.now()
    for (;;) {
      await pause(LOOK)
      info = (await jobs.flow(flow).status({ nodes: false })) ?? info
      if (info === undefined) continue
      const { total, completed, failed, cancelled } = info.counts
      const all = completed + failed + cancelled + total
      if (all > done) since = performance.now()
      done = all
      if (info.endedAt !== undefined && info.runs.length === 0) break
      if (performance.now() - since > STUCK) break
      if (filled === undefined && isLeft && total >= count / 2) {
        await crew.kill(dispatcher)
        filled = seconds()
        say(`${filled} s  kill -9 dispatcher, ${total} members, ${completed} have completed`)
      } else if (filled === undefined && (await journals.read()).flowAsks.get(flow)?.answer !== undefined) {
        filled = seconds()
        say(`${filled} s  filled, ${completed} have completed`)
      }
      if (performance.now() < next) continue
      const worker = random.pick(workers)!
      await crew.kill(worker)
      kills++
      say(`${seconds()} s  kill -9 ${worker.name}, ${completed} of ${total} have completed`)
      await crew.start(worker)
      next = performance.now() + BETWEEN[0] + random.below(BETWEEN[1] - BETWEEN[0])
    }
    const ended = seconds()
    await Promise.all([...workers, dispatcher].map((each) => crew.stop(each)))
    const runs = await runsOf(folder, count)
    const { runs: journaled } = await journals.read()
    const callbacks: Record<string, number> = {}
    for (const { n, read } of journaled.values())
      if (read !== undefined) callbacks[n] = (callbacks[n] ?? 0) + 1
    const account = {
      ...{
        state: info.state,
        reason: info.reason,
        counts: info.counts,
        filled: filled ?? ended,
        ended,
        kills,
      },
      ran: runs.filter((each) => each > 0).length,
      again: runs.reduce((sum, each) => sum + Math.max(0, each - 1), 0),
      callbacks,
      memory: {
        dispatcher: await memoryOf(folder, 'd'),
        worker: await memoryOf(folder, 'w'),
        server: [first, await memoryOfServer('used_memory_peak')].map((bytes) => Math.round(bytes / MIB)),
      },
    }
    return { ...account, findings: judge(account, options, flow) }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function judge(
  { state, reason, counts, ran, callbacks }: Omit<LargeBatchAccount, 'findings'>,
  { count, isLeft }: LargeBatchOptions,
  flow: string,
): string[] {
  const { total, completed, failed, cancelled, running } = counts
  const expected = isLeft ? 'failed' : 'completed'
  const called = { [`${flow}/on-ended`]: 1, [`${flow}/on-${expected}`]: 1 }
  const rules: [boolean, string][] = [
    [state === expected, `it is ${state} (${reason}), and should be ${expected}`],
    [
      running === 0 && total === completed + failed + cancelled,
      `counts that are not even: ${JSON.stringify(counts)}`,
    ],
    [isLeft || completed === count, `${completed} of ${count} members have completed`],
    [
      isLeft ? reason === 'abandoned' : ran === count,
      `${ran} of ${count} members ran; the reason is ${reason}`,
    ],
    [ran >= completed, `${completed} members have completed, and ${ran} ran`],
    [
      JSON.stringify(Object.entries(callbacks).sort()) === JSON.stringify(Object.entries(called).sort()),
      `callbacks: ${JSON.stringify(callbacks)}`,
    ],
  ]
  return rules.flatMap(([isSo, text]) => (isSo ? [] : [text]))
}

/** How often each member ran. */
async function runsOf(folder: string, count: number): Promise<Uint16Array> {
  const sums = new Uint16Array(count)
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.tally')))
    for (const [i, runs] of (await readFile(join(folder, file))).entries()) sums[i]! += runs
  return sums
}

/** Returns the memory of the roles in MiB: at the start, and the maximum. */
async function memoryOf(folder: string, role: string): Promise<number[]> {
  const files = (await readdir(folder)).filter((name) => name.startsWith(role) && name.endsWith('.memory'))
  const all = await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))),
  )
  const most = (what: 'first' | 'most') =>
    Math.round(Math.max(...all.map((each: Record<string, number>) => each[what]!)) / MIB)
  return [most('first'), most('most')]
}
