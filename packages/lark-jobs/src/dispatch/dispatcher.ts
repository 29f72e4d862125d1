/**
 * The way of jobs into the store: one by the short way of most dispatches, many in chunks of which each fits in one
 * call. Of a queue with several partitions, each takes its chunks one after the other, and all of them do at once.
 */
import { JobsError } from '../errors.ts'
import { dispatchedIds, type JobLike } from '../job-class.ts'
import type { NewJob } from '../record.ts'
import { type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/store.ts'
import { bytesOf } from './new-job.ts'
import type { Outbox } from './outbox.ts'
import { Outboxes } from './outboxes.ts'
import type { Underway } from './underway.ts'

export class Dispatcher {
  readonly #store: Store
  readonly #outboxes: Outboxes
  readonly #underway: Underway
  readonly #met = new Set<string>()

  /** @param partitions how many a queue has; one where nothing is said */
  constructor(store: Store, partitions: ReadonlyMap<string, number>, underway: Underway) {
    this.#store = store
    this.#outboxes = new Outboxes(store, partitions)
    this.#underway = underway
  }

  /**
   * Queues one job, with one promise, and counts as under way until it is answered.
   *
   * @throws STORE_UNREACHABLE, DISPATCH_UNCERTAIN, STORE_REFUSED
   */
  one(job: JobLike, queue: string, record: NewJob): Promise<boolean> {
    this.#meet(record.key)
    const end = this.#underway.begin()
    return new Promise((resolve, reject) => {
      const queued = (results: Enqueued[], place: number) => {
        // It may have been given another (see outbox.ts).
        job[dispatchedIds] = [record.id]
        end()
        resolve(results[place] === 'queued')
      }
      const failed = (error: unknown) => {
        end()
        reject(error)
      }
      this.#outboxes.now(queue).add([record], bytesOf(record), queued, failed)
    })
  }

  /**
   * Queues many. Nothing is awaited before the outboxes have them: what is dispatched in one tick travels together.
   *
   * @throws what `one` does; with the ids of those that are queued all the same
   */
  async many(job: JobLike, queue: string, records: readonly NewJob[]): Promise<boolean> {
    const chunks = [...chunksOf(records)]
    const outboxes = this.#outboxes.all(queue)
    const answers: Enqueued[][] = []
    const errors: unknown[] = []
    const send = async (outbox: Outbox, first: number) => {
      for (let i = first; i < chunks.length && errors.length === 0; i += outboxes.length) {
        try {
          answers[i] = await sent(outbox, chunks[i]!)
        } catch (error) {
          errors.push(error)
        }
      }
    }
    await Promise.all(outboxes.slice(0, chunks.length).map(send))
    if (errors.length > 0) {
      const queued = chunks.flatMap(({ jobs }, i) => (answers[i] ? jobs.map(({ id }) => id) : []))
      throw partial(worst(errors), queued, records.length)
    }
    job[dispatchedIds] = records.map(({ id }) => id)
    if (records.length > 0) this.#meet(records[0]!.key)
    return answers.every((results) => results.every((result) => result === 'queued'))
  }

  /** Warns, once a key and process, of jobs that may wait for ever. */
  #meet(key: string): void {
    if (this.#met.has(key)) return
    this.#met.add(key)
    const warned = this.#store.keys().then((keys) => {
      if (keys.length === 0 || keys.includes(key)) return
      process.emitWarning(
        `No worker has ever known the job key '${key}': its jobs wait until one does. Start one: lark jobs:work`,
        { code: 'LARK_UNKNOWN_KEY' },
      )
    })
    const end = this.#underway.begin()
    warned.then(end, end)
  }
}

interface Chunk {
  jobs: NewJob[]
  bytes: number
}

/** Cuts jobs into chunks of which each fits in one call. */
function* chunksOf(jobs: readonly NewJob[]): Generator<Chunk> {
  let chunk: NewJob[] = []
  let bytes = 0
  for (const job of jobs) {
    if (chunk.length === MAX_ITEMS || (chunk.length > 0 && bytes + bytesOf(job) > MAX_BYTES)) {
      yield { jobs: chunk, bytes }
      chunk = []
      bytes = 0
    }
    chunk.push(job)
    bytes += bytesOf(job)
  }
  if (chunk.length > 0) yield { jobs: chunk, bytes }
}

function sent(outbox: Outbox, { jobs, bytes }: Chunk): Promise<Enqueued[]> {
  return new Promise((resolve, reject) => {
    const queued = (results: Enqueued[], first: number) => resolve(results.slice(first, first + jobs.length))
    outbox.add(jobs, bytes, queued, reject)
  })
}

/** Of several errors the one that leaves something in doubt, with all the jobs that are. */
function worst(errors: readonly unknown[]): unknown {
  const known = errors.filter((error) => error instanceof JobsError)
  const error = known.find(({ code }) => code === 'DISPATCH_UNCERTAIN') ?? known[0]
  const alike = known.filter(({ code }) => code === error?.code)
  if (error === undefined || alike.length === 1) return error ?? errors[0]
  const { code, message, hint, cause } = error
  const ids = alike.flatMap((each) => each.ids ?? [])
  return new JobsError(code, message, { id: ids[0]!, ids, cause, ...(hint !== undefined && { hint }) })
}

/** The error of some, where others are queued. */
function partial(error: unknown, queued: string[], count: number): unknown {
  if (queued.length === 0 || !(error instanceof JobsError)) return error
  const { id, ids } = error
  return new JobsError(error.code, `${queued.length} of ${count} jobs are queued; then: ${error.message}`, {
    cause: error,
    queued,
    ...(id !== undefined && { id }),
    ...(ids !== undefined && { ids }),
    hint: 'error.queued has the ids of those that are.',
  })
}
