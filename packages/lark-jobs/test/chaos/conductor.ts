/**
 * The conductor makes one chaos run. The conductor starts the store, the workers and the dispatchers. Then
 * the conductor causes one fault after another in the order of the schedule, ends each fault, and waits until
 * all processes work again. At last it waits until the queues are empty, and accounts for every job.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../conformance/random.ts'
import { type Account, account } from './accountant.ts'
import { Crew, type Role } from './crew.ts'
import type { Durability, Evidence, Fault } from './evidence.ts'
import { sceneOf } from './fault.ts'
import type { ServerForm } from './faults/server.ts'
import { GIVEN_UP, isLeft, leftBatches } from './flows.ts'
import { Journals } from './journals.ts'
import { isOver, readFlows, readLedger, unended } from './ledger.ts'
import { Probes, probeQueue } from './probes.ts'
import { type Planned, type Step, schedule } from './schedule.ts'
import { keepFiles, type Stage, type StageName, setStage } from './stage.ts'
import { Watch } from './watch.ts'

export interface ChaosOptions extends ServerForm {
  store: StageName
  seed: number
  /** How many minutes the run takes. Undefined: until each fault has occurred once. */
  minutes?: number
  /** Names of faults, or the beginnings of names. Undefined: all faults of the store. */
  faults?: readonly string[]
  /**
   * The length of leases in milliseconds. A fault that should cost leases lasts longer than a lease, so a
   * short lease makes a short run.
   */
  leaseMs?: number
  /** Jobs per second of each dispatcher. Default: `RATE`. */
  rate?: number
  /** The number of queues. One of these queues has a limit of active jobs. Default: `QUEUES`. */
  queues?: number
  /** Default: `normal`. */
  durability?: Durability
  /** Called with a line for each event. */
  say: (line: string) => void
  /** Ends the run early. The run ends its present faults, and accounts for every job. */
  signal?: AbortSignal
  /** Whether to keep the journals, the evidence and the files of the store. */
  keep?: boolean
}

/**
 * The length of leases in milliseconds: shorter than the default of 15 s, and longer than a worker may take
 * to reconnect (2 s).
 */
export const LEASE = 2_500
/** Jobs per second of each dispatcher. */
export const RATE = 50
/** The number of queues, without the queues of the probes. */
export const QUEUES = 4
/** Milliseconds between two steps. */
const CALM = 300
/** Milliseconds within which all processes must work again after a fault, if no handler blocks them. */
const ALIVE = 20_000
/** Milliseconds between two checks of the remaining jobs at the end. */
const DRAINING = 100
/**
 * The longest time for which a handler blocks the event loop, or for which a job runs, as a multiple of the
 * lease.
 */
const LONGEST = 3

/** The names of the queues without a limit. The limited queue comes after them. */
const names = ['alpha', 'beta', 'gamma']
/** How many jobs of a queue may be active at the same time. */
const limits = { narrow: 5 }
/** How many jobs of one class may run at the same time. */
const permits = 3
const busy = ['w0', 'w1', 'w2']
/**
 * This worker serves no queue but the queue of its probes, because an outage affects an idle worker
 * differently.
 */
const idle = 'w3'
const asking = ['d0', 'd1']

export async function chaos(options: ChaosOptions): Promise<Account> {
  const { store, leaseMs = LEASE, rate = RATE, durability = 'normal' } = options
  const queues = queuesOf(options)
  const folder = await mkdtemp(join(tmpdir(), 'lark-chaos-'))
  const journals = new Journals(folder)
  if (options.keep) options.say(`The journals are in ${folder}`)
  try {
    const prefix = 'chaos'
    await using stage = await setStage(store, prefix, queues, [...busy, idle, ...asking], options)
    await using crew = new Crew({
      ...{ journals, prefix, leaseMs, limits, permits, rate, durability },
      form: formOf(options),
    })
    const worker = (name: string, own: string[]): Role => ({
      name,
      what: 'work',
      queues: [...own, probeQueue(name)],
      url: stage.urlFor(name),
    })
    const workers = [...busy.map((name) => worker(name, queues)), worker(idle, [])]
    const dispatchers = asking.map(
      (name): Role => ({ name, what: 'dispatch', queues, url: stage.urlFor(name) }),
    )
    await using probes = new Probes(stage.url, prefix, workers, journals, crew, ALIVE + LONGEST * leaseMs)
    // The conductor makes the store before the other processes start.
    await using watch = new Watch(await probes.store(), limits)
    const run = new Run(options, stage, crew, probes, watch, workers, dispatchers)
    await run.begin()
    await run.breakThings()
    const evidence = await run.end(journals)
    if (options.keep) {
      await writeFile(join(folder, 'evidence.json'), JSON.stringify(evidence))
      await keepFiles(stage, folder)
    }
    return account(evidence)
  } finally {
    if (!options.keep) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

function queuesOf({ queues = QUEUES }: ChaosOptions): string[] {
  const open = Array.from({ length: queues - 1 }, (_, i) => names[i] ?? `queue${i}`)
  return [...open, ...Object.keys(limits)]
}

function formOf({ minutes }: ChaosOptions): 'short' | 'long' {
  return minutes === undefined ? 'short' : 'long'
}

class Run {
  readonly #options: ChaosOptions
  readonly #leaseMs: number
  readonly #stage: Stage
  readonly #crew: Crew
  readonly #probes: Probes
  readonly #workers: readonly Role[]
  readonly #dispatchers: readonly Role[]
  readonly #faults: Fault[] = []
  readonly #dead: Evidence['dead'] = []
  readonly #watch: Watch
  readonly #began = Date.now()

  constructor(
    options: ChaosOptions,
    stage: Stage,
    crew: Crew,
    probes: Probes,
    watch: Watch,
    workers: readonly Role[],
    dispatchers: readonly Role[],
  ) {
    this.#options = options
    this.#leaseMs = options.leaseMs ?? LEASE
    this.#stage = stage
    this.#crew = crew
    this.#probes = probes
    this.#watch = watch
    this.#workers = workers
    this.#dispatchers = dispatchers
  }

  async begin(): Promise<void> {
    await Promise.all([...this.#workers, ...this.#dispatchers].map((role) => this.#crew.start(role)))
    await this.#seeEveryone('the start', [])
  }

  async breakThings(): Promise<void> {
    const { seed, minutes, faults, signal } = this.#options
    const kinds = this.#stage.faults.filter(
      ({ name }) => faults === undefined || faults.some((each) => name.startsWith(each)),
    )
    if (kinds.length === 0)
      throw new Error(
        `no fault is called that; there are ${this.#stage.faults.map(({ name }) => name).join(', ')}`,
      )
    const steps = schedule(kinds, seed, this.#leaseMs, formOf(this.#options))
    for (const step of steps) {
      const isLate = minutes !== undefined && Date.now() - this.#began > minutes * 60_000
      // If a process ended by itself, nothing restarts it, so further faults would show nothing.
      if (isLate || signal?.aborted || this.#crew.hasLost) break
      await this.#take(step).catch((error: Error) => {
        if (!this.#crew.hasLost) throw error
        this.#say(error.message)
      })
    }
  }

  /** Lets the queued jobs end, and then stops the roles. */
  async end(journals: Journals): Promise<Evidence> {
    const store = await this.#probes.store()
    await Promise.all(this.#dispatchers.map((role) => this.#crew.stop(role)))
    const queues = queuesOf(this.#options)
    const all = [...queues, ...this.#workers.map(({ name }) => probeQueue(name))]
    const { flowAsks } = await journals.read()
    const left = leftBatches({ flowAsks: [...flowAsks.values()], lives: this.#crew.lives })
    const isShort = this.#options.minutes === undefined
    const patience = ALIVE + LONGEST * this.#leaseMs + GIVEN_UP
    let least = Number.POSITIVE_INFINITY
    let since = performance.now()
    const drained = async () => {
      const waiting = await unended(store, all)
      // On a slow machine, many jobs may be left. So the run waits for as long as their number falls.
      if (waiting < least) since = performance.now()
      least = Math.min(least, waiting)
      if (waiting > 0) return performance.now() - since > patience
      const flows = await readFlows(store, queues)
      const open = flows.filter((flow) => !isOver(flow))
      // A short run does not wait until the batches of dead dispatchers are given up.
      const isDone = open.every((flow) => isShort && isLeft(flow, left))
      return isDone || performance.now() - since > patience
    }
    while (!(await drained())) await pause(DRAINING)
    await Promise.all(this.#workers.map((role) => this.#crew.stop(role)))
    const { asks, touches, runs, steppings, standstills } = await journals.read()
    return {
      flowAsks: [...flowAsks.values()],
      touches: [...touches.values()],
      keptFlows: await readFlows(store, queues),
      readAt: Date.now(),
      leaseMs: this.#leaseMs,
      durability: this.#options.durability ?? 'normal',
      asks: [...asks.values()],
      runs: [...runs.values()],
      steppings: [...steppings.values()],
      standstills,
      lives: this.#crew.lives,
      kept: await readLedger(store, all),
      faults: this.#faults,
      limits: await this.#watch.stop(),
      limiter: { kind: 'metered', most: permits },
      dead: this.#dead,
    }
  }

  async #take(step: Step): Promise<void> {
    const faults = await Promise.all(step.map((planned) => this.#make(planned)))
    await this.#seeEveryone(step.map(({ kind }) => kind.name).join(' and '), faults)
    await pause(CALM)
  }

  async #make({ kind, after, lasts, target, seed }: Planned): Promise<Fault> {
    await pause(after)
    const fault: Fault = { name: kind.name, from: Date.now(), to: Number.POSITIVE_INFINITY, hits: [] }
    this.#faults.push(fault)
    const heal = await kind.begin(
      sceneOf(fault, {
        crew: this.#crew,
        workers: this.#workers,
        dispatchers: this.#dispatchers,
        random: new Random(seed),
        target,
        isLocked: () => this.#stage.isLocked(),
      }),
    )
    const whom = [...new Set(fault.hits.flatMap(({ by }) => by ?? []))].join(', ')
    this.#say(`${kind.name}${whom === '' ? '' : ` (${whom})`}, for ${lasts} ms`)
    await pause(lasts)
    await heal()
    fault.to = Date.now()
    for (const { what, from, to } of fault.hits)
      if (what === 'rewound' && this.#options.fsync === 'everysec')
        this.#say(`  the server had not written what it acknowledged in the last ${to - from} ms`)
    return fault
  }

  async #seeEveryone(what: string, faults: Fault[]): Promise<void> {
    const { took, dead } = await this.#probes.everyone(this.#workers, this.#dispatchers)
    if (dead.length === 0) for (const fault of faults) fault.recovered = took
    this.#dead.push(...dead.map(({ by, why }) => ({ by, fault: what, why })))
    this.#say(
      dead.length === 0
        ? `  everybody is at work ${took} ms later`
        : `  DEAD after ${what}: ${dead.map(({ by, why }) => `${by} (${why})`).join(', ')}`,
    )
  }

  #say(line: string): void {
    const seconds = ((Date.now() - this.#began) / 1_000).toFixed(1).padStart(6)
    this.#options.say(`${seconds} s  ${line}`)
  }
}
