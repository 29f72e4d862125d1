/** Surveys partitions with one call of a script. On a cluster, each partition takes one call. */
import type { AgreedRetentions } from '../../contract/rules/retention.ts'
import type { Announced, Finding, Survey, Surveyed } from '../../contract/store.ts'
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
    if (!this.#scripts.transport.isWhole) return this.#eachAlone(caller, partitions, announced, leaseMs)
    return this.#ask(this.#scripts.keys.meta('workers'), caller, partitions, announced, leaseMs)
  }

  /**
   * Makes a separate call for each partition, so that the failure of one node does not hide the findings of
   * the others.
   */
  async #eachAlone(
    caller: string,
    partitions: readonly Surveyed[],
    announced: Announced | undefined,
    leaseMs: number | undefined,
  ): Promise<Survey> {
    const announcing = announced && this.#registry.announce(announced.worker, announced.ttl)
    const asking = partitions.map((each) =>
      this.#ask(this.#scripts.keys.of(each.partition, 'jobs'), caller, [each], undefined, leaseMs),
    )
    const [[known], answers] = await Promise.all([
      Promise.allSettled([announcing]),
      Promise.allSettled(asking),
    ])
    const surveys = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const failures = new Map(surveys.flatMap((survey) => [...survey.failures]))
    for (const [i, answer] of answers.entries())
      if (answer.status === 'rejected') failures.set(partitions[i]!.partition, answer.reason)
    if (surveys.length === 0 && failures.size > 0) throw failures.values().next().value
    if (surveys.length === 0 && known.status === 'rejected') throw known.reason
    return {
      at: surveys[0]?.at ?? (await this.#now()),
      findings: surveys.flatMap(({ findings }) => findings),
      failures,
      ...(known.status === 'rejected' && { unannounced: known.reason }),
      ...(known.status === 'fulfilled' && known.value),
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
