/**
 * Imports flows. Like a page of jobs, each flow is marked in BullMQ as begun, started in Lark, and then
 * marked as imported. The jobs of the flow stay in their places in BullMQ until the import comes to these
 * places, where it treats them as imported.
 */
import { randomUUID } from 'node:crypto'
import { JobsError } from '@s18i/lark-jobs'
import { FlowBook, type OpenJobs, textOf } from '@s18i/lark-jobs/internal'
import type { FlowReader, ReadFlow, ReadMember } from './flows.ts'
import type { ImportMark, MarkState } from './import-mark.ts'
import { anotherHas, type QueueTally } from './report.ts'
import type { BullmqEntry } from './source.ts'

export interface FlowImportOptions {
  store: OpenJobs['store']
  reader: FlowReader
  mark: ImportMark
  tallies: ReadonlyMap<string, QueueTally>
  dryRun: boolean | undefined
  force: boolean | undefined
}

export class FlowImport {
  readonly #options: FlowImportOptions
  /** The jobs of flows that this import has found in Lark, or has imported, as `queue:id`. */
  readonly #taken = new Set<string>()
  /** The root jobs of flows that stay in BullMQ and that the report already contains. */
  readonly #stayed = new Set<string>()
  /** How many jobs were queued. */
  imported = 0

  constructor(options: FlowImportOptions) {
    this.#options = options
  }

  /**
   * Imports a flow, or reports why the flow stays in BullMQ.
   *
   * @param root the root job, which waits or has waited for all other jobs of the flow
   * @param now milliseconds since 1970, by the clock of BullMQ's server
   */
  async bring(queue: string, root: BullmqEntry, now: number): Promise<void> {
    const { reader, mark, tallies } = this.#options
    const tally = tallies.get(queue)!
    const state = mark.read(root.mark, now)
    if (state === 'done') return
    let isTaken = false
    try {
      const flow = await reader.read(queue, root, now)
      if (typeof flow === 'string') tally.left(flow, [root.id])
      else isTaken = await this.#take(flow, state, now, tally)
    } catch (error) {
      if (JobsError.is(error) && error.code.startsWith('STORE_')) throw error
      tally.mistake(root.id, textOf(error))
    }
    if (!isTaken) this.#stayed.add(keyOf(queue, root.id))
  }

  /**
   * Whether Lark has or had a job as part of a flow. If not, the report says that the job stays in BullMQ
   * with its flow.
   */
  takes(queue: string, { id, mark }: BullmqEntry, now: number): boolean {
    const key = keyOf(queue, id)
    if (this.#taken.has(key)) return true
    const { mark: marks, tallies } = this.#options
    const tally = tallies.get(queue)!
    const isDone = marks.read(mark, now) === 'done'
    if (isDone) tally.report.existing++
    else if (!this.#stayed.has(key)) tally.left('flow-child', [id])
    return isDone
  }

  /** Whether this import has imported a job as part of a flow. */
  has(queue: string, id: string): boolean {
    return this.#taken.has(keyOf(queue, id))
  }

  /** @param tally the tally of the queue of the root job @returns whether Lark now has the flow */
  async #take(flow: ReadFlow, state: MarkState, now: number, tally: QueueTally): Promise<boolean> {
    const { store, mark, dryRun, force } = this.#options
    const { place, definition, members } = flow
    const { queue, entry } = members.at(-1)!
    const book = new FlowBook({ store })
    const existing = await book.get(place)
    if (state === 'old' && existing === undefined && !force) {
      tally.left('uncertain', [entry.id])
      return false
    }
    if (existing !== undefined && !this.#isSame(existing.definition, definition, state)) {
      tally.mistake(entry.id, anotherHas(entry.id))
      return false
    }
    // The queue of the root job is marked last. So if a job in this queue is marked as imported, its whole
    // flow has been imported.
    const queues = [...new Set(members.map((each) => each.queue))].filter((each) => each !== queue)
    const write = async (text: string) => {
      for (const name of [...queues, queue]) {
        const ids = members.filter((each) => each.queue === name).map((each) => each.entry.id)
        if (!dryRun) await mark.write(name, ids, text)
      }
    }
    if (existing === undefined) {
      await write(mark.begun(now))
      if (!dryRun) await book.start(place, definition, undefined, randomUUID())
    }
    this.#count(members, existing === undefined)
    await write(mark.done)
    return true
  }

  #count(members: readonly ReadMember[], isNew: boolean): void {
    for (const { queue, entry, key, lacks } of members) {
      const tally = this.#options.tallies.get(queue)!
      tally.lacks(entry.id, lacks)
      tally.key(key)
      tally.report[isNew ? 'imported' : 'existing']++
      this.#taken.add(keyOf(queue, entry.id))
    }
    if (isNew) this.imported += members.length
  }

  /**
   * Whether the flow in Lark is the same as the flow in BullMQ. A flow whose root job had no mark was never
   * sent to Lark.
   */
  #isSame(one: ReadFlow['definition'], other: ReadFlow['definition'], state: MarkState): boolean {
    const last = ({ nodes }: ReadFlow['definition']) => nodes.at(-1)?.job?.job
    if (last(one)?.key !== last(other)?.key) return false
    // If jobs could not be marked, the payloads are compared.
    const isUnmarked = this.#options.mark.unmarked !== undefined
    return state !== 'none' || (isUnmarked && last(one)?.payload === last(other)?.payload)
  }
}

function keyOf(queue: string, id: string): string {
  return `${queue}:${id}`
}
