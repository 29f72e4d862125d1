/**
 * The jobs, flows and schedules that were dispatched into a fake, in order. They are taken from the calls
 * that reach the store, so they are exactly what a worker would get, with payloads as JSON.
 */
import { defined } from '@s18i/lark/internal'
import { childId } from '../flow/child.ts'
import { memberId, memberOf } from '../model/effect.ts'
import { type FlowDefinition, type FlowJob, type FlowKind, indexOf, NODES } from '../model/flow.ts'
import { queueOf } from '../model/partition.ts'
import { decode } from '../model/payload.ts'
import type { NewJob } from '../model/record.ts'
import { shownName } from '../model/stored-name.ts'
import { tickOf } from '../model/tick.ts'
import { infoOf, type ScheduleInfo } from '../operate/schedules/schedule-info.ts'
import type { JobClass, JobLike, PayloadOf } from '../options/job-class.ts'
import { readAnyway } from '../options/payload-rules.ts'
import type { Rejection } from '../options/unique.ts'
import type {
  Enqueued,
  FlowWrite,
  FlowWritten,
  ScheduleWrite,
  ScheduleWritten,
} from '../store/contract/store.ts'

/** A job that was dispatched. */
export interface DispatchedJob<J extends JobLike = JobLike> {
  /**
   * Empty for a job of a flow inside another flow, because such a job gets its id when the inner flow starts.
   */
  readonly id: string
  /** The key of the job's class. */
  readonly key: string
  readonly queue: string
  /**
   * A copy of the payload, as `handle` gets it. Parts that are results of other nodes of the flow are left
   * out.
   */
  readonly payload: PayloadOf<J>[0]
  /** Milliseconds until the job is due. */
  readonly delay: number
  readonly priority: number
  /** Undefined if no class with its key is known. */
  readonly tries: number | undefined
  /** Milliseconds. Undefined if no class with its key is known. */
  readonly timeout: number | undefined
  readonly tags: readonly string[]
  readonly group?: string
  /** Why the job was rejected. Absent if the job was queued. */
  readonly rejection?: Rejection
  /**
   * The id of the queued job whose payload was replaced by this dispatch (`unique` with `replace`, `debounce`
   * or `keepLast`).
   */
  readonly replaces?: string
  /** The id of the job's flow. */
  readonly flow?: string
  /** The name of the job's node. */
  readonly node?: string
}

/** A node of a flow that was dispatched: a job, or a flow. */
export interface DispatchedNode {
  readonly name: string
  /** The key of the job's class. Absent if the node is a flow. */
  readonly key?: string
  readonly payload?: unknown
  /** The names of the nodes that this node waits for. */
  readonly after: readonly string[]
  /** For a callback: when it starts. */
  readonly on?: 'completed' | 'failed' | 'ended'
  readonly flow?: Omit<DispatchedFlow, 'id'>
}

/** A flow that was dispatched. */
export interface DispatchedFlow {
  readonly id: string
  readonly kind: FlowKind
  readonly name?: string
  readonly tags: readonly string[]
  /** The nodes of the flow. Callbacks come last. */
  readonly nodes: readonly DispatchedNode[]
  /** The members of a batch. */
  readonly members: readonly DispatchedJob[]
}

export class Dispatches {
  jobs: DispatchedJob[] = []
  flows: DispatchedFlow[] = []
  schedules: ScheduleInfo[] = []
  readonly #classWith: (key: string) => JobClass | undefined
  /** The paths of the hidden parts of payloads. */
  readonly #hidden = new WeakMap<DispatchedJob, readonly string[]>()
  readonly #members = new Set<string>()

  constructor(classWith: (key: string) => JobClass | undefined) {
    this.#classWith = classWith
  }

  /** Forgets all dispatches so far. */
  clear(): void {
    this.jobs = []
    this.flows = []
    this.schedules = []
  }

  /** The paths of the hidden parts of a payload. */
  hiddenIn(job: DispatchedJob): readonly string[] {
    return this.#hidden.get(job) ?? []
  }

  /** The name of the class with this key, or the key itself if no such class is known. */
  nameOf(key: string): string {
    return this.#classWith(key)?.name ?? key
  }

  /** Notes the dispatches in a call that has reached the store. `answer`: the answer of the store. */
  heard(verb: string, args: readonly unknown[], answer: unknown): void {
    if (verb === 'enqueue') {
      const [partition, , jobs] = args as [string, unknown, NewJob[]]
      for (const [i, job] of jobs.entries()) this.#queued(partition, job, (answer as Enqueued[])[i]!)
    }
    if (verb === 'flows.write') this.#flow(args[0] as string, args[1] as FlowWrite, answer as FlowWritten)
    if (verb === 'schedules.write') {
      const [, writes] = args as [string, ScheduleWrite[]]
      const { written } = answer as { written: ScheduleWritten[] }
      for (const [i, write] of writes.entries()) if (written[i]!.isWritten) this.#schedule(write)
    }
  }

  #queued(partition: string, job: NewJob, answer: Enqueued): void {
    if (tickOf(job.id) !== undefined) return
    const member = memberOf(job.id)
    if (member !== undefined) {
      if (member.index < NODES) this.#member(partition, job, member.flow)
      return
    }
    if (answer === 'exists' || (typeof answer === 'object' && answer.kind === 'refused')) return
    this.#add(partition, job, job.id, typeof answer === 'object' ? told(answer) : {})
  }

  #member(partition: string, job: NewJob, flow: string): void {
    // The jobs of an inner flow were already noted with the outer flow.
    const its = this.flows.find(({ id }) => id === flow)
    if (its === undefined || this.#members.has(job.id)) return
    this.#members.add(job.id)
    ;(its.members as DispatchedJob[]).push(this.#add(partition, job, job.id, { flow }))
  }

  #flow(home: string, write: FlowWrite, { isWritten }: FlowWritten): void {
    if (!isWritten || 'remove' in write) return
    const { id, definition } = write
    const read = definition === undefined ? undefined : (JSON.parse(definition) as FlowDefinition)
    if (read?.parentJob !== undefined) this.#child(read, childId({ flow: id, home }))
    else if (read !== undefined && read.parent === undefined) {
      const before = this.flows.find((flow) => flow.id === id)
      const known = before?.nodes.length ?? 0
      const flow = this.#flowOf(read)
      if (before === undefined) this.flows.push({ id, ...flow })
      else Object.assign(before, { nodes: [...before.nodes, ...flow.nodes.slice(known)] })
      this.#nodes(read, id, known, home)
    }
    for (const job of write.jobs ?? []) {
      const member = memberOf(job.id)
      if (member !== undefined && member.index < NODES) this.#member(home, job, member.flow)
    }
  }

  /** Notes a job that another job runs and awaits. */
  #child({ nodes }: FlowDefinition, id: string): void {
    const { partition, job } = nodes[0]!.job!
    this.#add(partition, job, id, {})
  }

  /**
   * Adds the jobs of the nodes of a flow, beginning with the node `from`.
   *
   * @param home the partition that keeps an outermost flow. Absent for an inner flow
   */
  #nodes({ nodes }: FlowDefinition, flow: string, from: number, home?: string): void {
    for (const [i, { name, job, flow: inner }] of nodes.entries()) {
      if (i < from) continue
      const id = home === undefined ? '' : memberId({ flow, home, index: indexOf(i, 0) })
      if (job !== undefined) this.#add(job.partition, job.job, id, { flow, node: name })
      if (inner === undefined) continue
      for (const { partition, job } of inner.members ?? []) this.#add(partition, job, '', { flow })
      this.#nodes(inner.definition, flow, 0)
    }
  }

  #flowOf(
    { kind, name, tags = [], nodes }: FlowDefinition,
    members: readonly FlowJob[] = [],
  ): Omit<DispatchedFlow, 'id'> {
    return {
      kind,
      ...defined({ name }),
      tags,
      nodes: nodes.map(({ name, after, on, job, flow }) => ({
        name,
        after: after.map((node) => nodes[node]!.name),
        ...defined({ on }),
        ...(job !== undefined && { key: job.job.key, payload: this.#payload(job.job) }),
        ...(flow !== undefined && { flow: this.#flowOf(flow.definition, flow.members) }),
      })),
      members: members.map(({ partition, job }) => this.#job(partition, job, '', {})),
    }
  }

  #schedule(write: ScheduleWrite): void {
    const at = this.schedules.findIndex(({ id }) => id === write.id)
    if ('remove' in write) {
      if (at >= 0) this.schedules.splice(at, 1)
      return
    }
    if (write.definition === undefined) return
    const [definition, state] = [JSON.parse(write.definition), JSON.parse(write.state)]
    this.#classWith(definition.job.key)
    const info = infoOf({ ...write, definition, state, runs: [], partition: '', at: 0 })
    if (at >= 0) this.schedules[at] = info
    else this.schedules.push(info)
  }

  #add(partition: string, job: Omit<NewJob, 'id'>, id: string, more: Partial<DispatchedJob>): DispatchedJob {
    const added = this.#job(partition, job, id, more)
    this.jobs.push(added)
    return added
  }

  #job(partition: string, job: Omit<NewJob, 'id'>, id: string, more: Partial<DispatchedJob>): DispatchedJob {
    const { key, delay = 0, priority = 0, options = {}, group } = job
    const jobClass = this.#classWith(key)
    const made: DispatchedJob = {
      ...{ id, key, queue: queueOf(partition), delay, priority },
      payload: this.#payload(job) as DispatchedJob['payload'],
      tries: options.tries ?? jobClass?.tries,
      timeout: options.timeout ?? jobClass?.timeout,
      tags: options.tags ?? [],
      // The names of groups that Lark itself creates begin with `=`. They are not shown.
      ...(group !== undefined && !group.name.startsWith('=') && { group: shownName(group.name) }),
      ...more,
    }
    if (options.redact !== undefined) this.#hidden.set(made, options.redact)
    return made
  }

  #payload({ key, payload }: Pick<NewJob, 'key' | 'payload'>): unknown {
    const jobClass = this.#classWith(key)
    return jobClass === undefined ? decode(payload) : readAnyway(payload, jobClass)
  }
}

/** The fields of a dispatched job that come from the answer of the store. */
function told(answer: Exclude<Enqueued, string>): Partial<DispatchedJob> {
  if (answer.kind === 'replaced') return { replaces: answer.by }
  if (answer.kind === 'refused') return {}
  const { kind: _, ...rejection } = answer
  return { rejection }
}
