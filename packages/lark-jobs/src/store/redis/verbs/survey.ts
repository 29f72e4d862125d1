/**
 * Surveys partitions with one call of a script. On a cluster, each node takes one call: a script may use the
 * keys of several slots of its node, if the call names the keys of only one slot.
 */
import { JobsError } from '../../../model/errors.ts'
import type { AgreedRetentions } from '../../contract/rules/retention.ts'
import type { Announced, Finding, Survey, Surveyed } from '../../contract/store.ts'
import { Refusal } from '../client/failure.ts'
import type { Scripts } from '../client/script.ts'
import { packAges, packDuration } from './pack-limits.ts'
import type { AnnounceAnswer, PartitionRegistry } from './partition-registry.ts'

/** The answer of `survey.lua`. */
type Surveying = [
  at: number,
  known: number,
  found: number[],
  damaged: (number | string)[],
  ticks?: number[],
  told?: AnnounceAnswer,
]

/** What the partitions of one node say. `at` is undefined if none of them has answered. */
type NodeSurvey = Pick<Survey, 'findings' | 'failures'> & { readonly at?: number | undefined }

export class Surveys {
  readonly #scripts: Scripts
  readonly #registry: PartitionRegistry
  readonly #retentions: AgreedRetentions
  readonly #now: () => Promise<number>

  constructor(
    scripts: Scripts,
    registry: PartitionRegistry,
    retentions: AgreedRetentions,
    now: () => Promise<number>,
  ) {
    this.#scripts = scripts
    this.#registry = registry
    this.#now = now
    this.#retentions = retentions
  }

  survey(
    caller: string,
    partitions: readonly Surveyed[],
    announced?: Announced,
    leaseMs?: number,
  ): Promise<Survey> {
    if (!this.#scripts.transport.isWhole) return this.#eachNode(caller, partitions, announced, leaseMs)
    return this.#ask(this.#scripts.keys.meta('workers'), caller, partitions, announced, leaseMs)
  }

  /** Makes one call for each node. The failure of one node does not hide the findings of the others. */
  async #eachNode(
    caller: string,
    partitions: readonly Surveyed[],
    announced: Announced | undefined,
    leaseMs: number | undefined,
  ): Promise<Survey> {
    const announcing = announced && this.#registry.announce(announced.worker, announced.ttl)
    const [[known], surveys] = await Promise.all([
      Promise.allSettled([announcing]),
      Promise.all(this.#byNode(partitions).map((some) => this.#askNode(caller, some, leaseMs))),
    ])
    const failures = new Map(surveys.flatMap((survey) => [...survey.failures]))
    const answered = surveys.find(({ at }) => at !== undefined)
    if (answered === undefined && failures.size > 0) throw failures.values().next().value
    if (answered === undefined && known.status === 'rejected') throw known.reason
    return {
      at: answered?.at ?? (await this.#now()),
      findings: surveys.flatMap(({ findings }) => findings),
      failures,
      ...(known.status === 'rejected' && { unannounced: known.reason }),
      ...(known.status === 'fulfilled' && known.value),
    }
  }

  /** Groups the partitions by their nodes. A partition whose node is not known yet is alone in its group. */
  #byNode(partitions: readonly Surveyed[]): Surveyed[][] {
    const { transport, keys } = this.#scripts
    const groups = new Map<string, Surveyed[]>()
    for (const each of partitions) {
      const node = transport.serverOf(keys.of(each.partition, 'jobs'))
      const name = node === '' ? `{${each.partition}}` : node
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [each])
      else group.push(each)
    }
    return [...groups.values()]
  }

  /**
   * Surveys partitions of one node. A partition whose slot has moved, or is moving, fails in the common call,
   * so it gets a call of its own, which goes to the right node. If its slot is the one that the common call
   * names, the node refuses the whole call. So the named slot is a random one: then a moving slot rarely
   * delays the other partitions. All partitions also get calls of their own at a server that refuses scripts
   * on several slots.
   */
  async #askNode(
    caller: string,
    some: readonly Surveyed[],
    leaseMs: number | undefined,
  ): Promise<NodeSurvey> {
    const { partition } = some[Math.floor(Math.random() * some.length)]!
    const key = this.#scripts.keys.of(partition, 'jobs')
    const survey: NodeSurvey = await this.#ask(key, caller, some, undefined, leaseMs).catch((error) => ({
      findings: [],
      failures: new Map(some.map((each) => [each.partition, error])),
    }))
    const { failures } = survey
    const isAlone = some.length === 1
    if (isAlone || failures.size === 0) return survey
    // A node that did not answer the common call would not answer the other calls either.
    if (survey.at === undefined && !isRefusal(failures.values().next().value)) return survey
    const failed = some.filter((each) => failures.has(each.partition))
    const again = await Promise.all(failed.map((each) => this.#askNode(caller, [each], leaseMs)))
    return {
      at: survey.at ?? again.find(({ at }) => at !== undefined)?.at,
      findings: [...survey.findings, ...again.flatMap(({ findings }) => findings)],
      failures: new Map(again.flatMap((each) => [...each.failures])),
    }
  }

  async #ask(
    key: string,
    caller: string,
    partitions: readonly Surveyed[],
    announced: Announced | undefined,
    leaseMs: number | undefined,
  ): Promise<Survey> {
    const ttl = announced === undefined ? '' : packDuration(announced.ttl)
    const keys = announced?.worker.keys ?? []
    const reply = await this.#scripts.on(key, 'survey', [
      caller,
      leaseMs === undefined ? ttl : `${ttl}|${packDuration(leaseMs)}`,
      announced === undefined ? '' : JSON.stringify(announced.worker),
      String(keys.length),
      ...packAges(this.#retentions.retention),
      announced === undefined ? '' : this.#retentions.text(announced.worker.queues),
      ...keys,
      ...partitions.map(
        ({ partition, waits, prunes }) =>
          `${waits ? 'w' : ''}${prunes ? 'p' : ''}${prunes ? this.#ownAges(partition) : ''}|${partition}`,
      ),
    ])
    const [at, known, found, damaged, ticks = [], told] = reply as Surveying
    const order = announced && (await this.#registry.hear(told))
    return {
      at,
      findings: readFindings(at, partitions, found, ticks),
      failures: await this.#readFailures(partitions, damaged),
      ...(known >= 0 && { partitions: known }),
      ...(order && { order }),
    }
  }

  /**
   * The ages for which a partition keeps ended jobs; '' if these are the ages in the call, which hold for
   * most partitions.
   */
  #ownAges(partition: string): string {
    const retention = this.#retentions.of(partition)
    return retention === this.#retentions.retention ? '' : packAges(retention).join(',')
  }

  async #readFailures(
    partitions: readonly Surveyed[],
    damaged: readonly (number | string)[],
  ): Promise<Survey['failures']> {
    const failures = new Map<string, unknown>()
    for (let i = 0; i < damaged.length; i += 2) {
      const { partition } = partitions[damaged[i] as number]!
      failures.set(partition, await this.#scripts.failureOf(partition, damaged[i + 1]))
    }
    return failures
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Refusal || JobsError.is(error, 'STORE_REFUSED')
}

/**
 * @param ticks two values for each partition with schedules: its index, and the milliseconds until a schedule
 *   is due
 */
function readFindings(
  at: number,
  partitions: readonly Surveyed[],
  found: readonly number[],
  ticks: readonly number[],
): Finding[] {
  const findings = new Map<number, Finding>()
  for (let i = 0; i < found.length; i += 5) {
    const [place, due, ends, effect, old] = found.slice(i) as [number, number, number, number, number]
    findings.set(place, {
      partition: partitions[place]!.partition,
      at,
      ...(due >= 0 && { nextDue: due }),
      ...(ends >= 0 && { nextLeaseEnd: ends }),
      ...(effect >= 0 && { nextEffect: effect }),
      ...(old % 2 === 1 && { isOld: true }),
      ...(old > 1 && { isMoving: true }),
    })
  }
  for (let i = 0; i < ticks.length; i += 2) {
    const [place, nextTick] = ticks.slice(i) as [number, number]
    findings.set(place, { partition: partitions[place]!.partition, at, ...findings.get(place), nextTick })
  }
  return [...findings.values()]
}
