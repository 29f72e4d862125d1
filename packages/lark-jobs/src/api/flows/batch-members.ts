/**
 * The members of a batch: a list, or anything that can be iterated, with `for` or with `for await`. The first
 * members are read ahead, so that mistakes in these members are found before anything is queued. The queue of
 * the first member also keeps the batch.
 */
import { type FlowJobs, textIn, type WrittenDraft, writtenDraft } from '../../dispatch/flow-definition.ts'
import type { Drafted } from '../../dispatch/new-job.ts'
import type { FlowSize } from '../../flow/flow-size.ts'
import { JobsError } from '../../model/errors.ts'
import { type FlowJob, MAX_DEFINITION } from '../../model/flow.ts'
import { leastBytes } from '../../model/payload.ts'
import { partWords, readMember } from './flow-part.ts'

/**
 * The number of members that are read ahead. If members come asynchronously, only the first member is read
 * ahead, because the next members may take long to come.
 */
const AHEAD = 5_000
/** No more members are read ahead once their payloads have this many bytes. */
const AHEAD_BYTES = MAX_DEFINITION

/**
 * Objects that can be iterated only once, such as generators, and that were iterated. A second batch of such
 * an object would be empty.
 */
const begun = new WeakSet<object>()

type Given = Iterator<unknown> | AsyncIterator<unknown>

export class BatchMembers {
  readonly #first: Drafted[] = []
  readonly #given: Given
  readonly #isAsync: boolean
  #isOver = false

  private constructor(given: Given, isAsync: boolean) {
    this.#given = given
    this.#isAsync = isAsync
  }

  /** @throws FLOW_INVALID for a member that is not a draft; the errors that iterating the members throws */
  static async of(members: unknown): Promise<BatchMembers> {
    const { [Symbol.iterator]: iterate, [Symbol.asyncIterator]: iterateAsync } = Object(members)
    if (typeof iterate !== 'function' && typeof iterateAsync !== 'function')
      throw new JobsError(
        'FLOW_INVALID',
        `batch() was given ${partWords(members)}; it must be a list of drafts`,
        {
          hint: 'Anything that can be iterated will do, also with for await.',
        },
      )
    const isAsync = typeof iterate !== 'function'
    const given = (isAsync ? iterateAsync : iterate).call(members)
    if (given === members) {
      if (begun.has(given))
        throw new JobsError('FLOW_INVALID', 'batch() was given members that were iterated before', {
          hint: 'A generator can be iterated once: call it again, and make another batch of what it returns.',
        })
      begun.add(given)
    }
    const own = new BatchMembers(given, isAsync)
    const most = isAsync ? 1 : AHEAD
    for (let bytes = 0; own.#first.length < most && bytes < AHEAD_BYTES; ) {
      const next = await own.#next()
      if (next === undefined) break
      own.#first.push(next)
      bytes += leastBytes(next.payload, AHEAD_BYTES)
    }
    return own
  }

  get first(): Drafted | undefined {
    return this.#first[0]
  }

  /**
   * Reads all members, for a batch that is part of another flow.
   *
   * @param size counts the size of the outermost flow
   * @throws FLOW_INVALID for a member that is not a draft; FLOW_TOO_LARGE; the errors of a dispatch; the
   *   errors that iterating the members throws
   */
  async all(size: FlowSize): Promise<WrittenDraft[]> {
    const all: WrittenDraft[] = []
    const first = this.#first.reverse()
    const next = async () => first.pop() ?? (await this.#next())
    try {
      for (let each = await next(); each !== undefined; each = await next()) {
        const written = writtenDraft(each)
        size.add(written.made.name, textIn(written))
        all.push(written)
      }
    } finally {
      await this.close()
    }
    return all
  }

  /**
   * The jobs of all members. The jobs of the members that were read ahead are made immediately.
   *
   * @throws the errors of a dispatch
   */
  jobs(made: FlowJobs): Iterable<FlowJob> | AsyncIterable<FlowJob> {
    // Each member is removed from the list when it is taken, so that the first members do not stay in memory
    // while the other members are read.
    const first = this.#first.map((each) => made.member(each)).reverse()
    this.#first.splice(1)
    const given = this.#given
    const isOver = this.#isOver
    const rest = { [Symbol.iterator]: () => given, [Symbol.asyncIterator]: () => given }
    function* all(): Iterable<FlowJob> {
      for (let next = first.pop(); next !== undefined; next = first.pop()) yield next
      if (!isOver) for (const each of rest as Iterable<unknown>) yield made.member(readMember(each))
    }
    async function* allAsync(): AsyncIterable<FlowJob> {
      yield* first
      if (!isOver)
        for await (const each of rest as AsyncIterable<unknown>) yield made.member(readMember(each))
    }
    return this.#isAsync ? allAsync() : all()
  }

  /** Ends the iteration, because the members that are left are not needed. */
  async close(): Promise<void> {
    if (!this.#isOver) await this.#given.return?.()
    this.#isOver = true
  }

  async #next(): Promise<Drafted | undefined> {
    if (this.#isOver) return undefined
    const { done, value } = await this.#given.next()
    this.#isOver = done === true
    if (done) return undefined
    try {
      return readMember(value)
    } catch (error) {
      await this.close()
      throw error
    }
  }
}
