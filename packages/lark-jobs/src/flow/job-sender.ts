/**
 * Queues the jobs of flows in partitions other than the partition that keeps the flow. The jobs may be sent
 * again: a job whose id already exists counts as queued.
 */
import { newNonce } from '../model/id.ts'
import type { NewJob } from '../model/record.ts'
import { type Bound, type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/contract/store.ts'

/** A partition with its caller. A caller makes only one call at a time in each partition. */
interface Line {
  number: number
  last: Promise<unknown>
}

/** Makes a call, and may repeat it if it fails. */
export type Attempts = <T>(attempt: () => Promise<T>) => Promise<T>

const once: Attempts = (attempt) => attempt()

export class JobSender {
  readonly #store: Store
  readonly #boundOf: (partition: string) => Bound | undefined
  readonly #caller = `flow-${newNonce()}`
  readonly #lines = new Map<string, Line>()

  constructor(store: Store, boundOf: (partition: string) => Bound | undefined) {
    this.#store = store
    this.#boundOf = boundOf
  }

  /**
   * @param attempts repeats a call. All attempts have the same call number: with a new number, jobs that have
   *   run and were removed since the first attempt would be queued again
   * @returns one answer for each job, in the order of the jobs
   */
  async send(partition: string, jobs: readonly NewJob[], attempts = once): Promise<Enqueued[]> {
    const answers: Enqueued[] = []
    for (const some of chunksOf(jobs)) answers.push(...(await this.#call(partition, some, attempts)))
    return answers
  }

  #call(partition: string, jobs: readonly NewJob[], attempts: Attempts): Promise<Enqueued[]> {
    const line = this.#lines.get(partition) ?? { number: 0, last: Promise.resolve() }
    this.#lines.set(partition, line)
    const call = line.last.then(() => {
      const numbered = { caller: this.#caller, number: ++line.number, bound: this.#boundOf(partition) }
      return attempts(() => this.#store.enqueue(partition, numbered, jobs))
    })
    line.last = call.catch(() => {})
    return call
  }
}

/** Cuts jobs into lists that each fit in one call. */
function* chunksOf(jobs: readonly NewJob[]): Generator<NewJob[]> {
  let chunk: NewJob[] = []
  let bytes = 0
  for (const job of jobs) {
    const size = Buffer.byteLength(job.payload)
    if (chunk.length === MAX_ITEMS || (chunk.length > 0 && bytes + size > MAX_BYTES)) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(job)
    bytes += size
  }
  if (chunk.length > 0) yield chunk
}
