/**
 * Sends jobs to the store: a single job on a short path, which most dispatches take, and many jobs in chunks
 * that each fit in one call. If a queue has several partitions, each partition gets its chunks one after the
 * other, and all partitions work at the same time.
 */
import { JobsError } from '../model/errors.ts'
import { runsKey } from '../model/every-key.ts'
import { placeNameOf } from '../model/partition.ts'
import type { NewJob } from '../model/record.ts'
import type { Sending, Sent, TelemetryCalls } from '../model/run/telemetry.ts'
import { giveTrace } from '../model/trace.ts'
import type { JobLike } from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import type { Rejection } from '../options/unique.ts'
import { type Enqueued, MAX_BYTES, MAX_ITEMS, MAX_LINES, type Store } from '../store/contract/store.ts'
import { rejection } from './caller.ts'
import { bytesOf, type NewJobs } from './new-job.ts'
import type { SendBuffer } from './send-buffer.ts'
import type { SendBuffers } from './send-buffers.ts'
import type { Underway } from './underway.ts'

/**
 * A process checks for at most this many keys whether a worker knows them. There is a maximum because a queue
 * with a class for every key may have any number of keys.
 */
const MOST_MET = 1_000

export class Dispatcher {
  readonly #store: Store
  readonly #buffers: SendBuffers
  readonly #underway: Underway
  readonly #telemetry: TelemetryCalls | undefined
  readonly #met = new Set<string>()

  constructor(store: Store, buffers: SendBuffers, underway: Underway, telemetry?: TelemetryCalls) {
    this.#store = store
    this.#buffers = buffers
    this.#underway = underway
    this.#telemetry = telemetry
  }

  /**
   * Queues one job, and creates only one promise. The dispatch counts as open until the store has answered.
   *
   * @throws STORE_UNREACHABLE, DISPATCH_UNCERTAIN, STORE_REFUSED, TOO_MANY_PRIORITIES
   */
  one(job: JobLike, queue: string, record: NewJob): Promise<boolean> {
    this.#meet(record.key)
    const end = this.#underway.begin()
    const sending = this.#sending(queue, [record])
    return new Promise((resolve) => {
      const queued = (results: Enqueued[], index: number) => {
        const refused = refusal([record], results, buffer.partition, index)
        if (refused !== undefined) return failed(refused)
        const isQueued = note(job, [record], results, index)
        sending?.sent(sentOf([record], (record) => answered(record, results[index]!)))
        end()
        resolve(isQueued)
      }
      const failed = (error: unknown) => {
        sending?.failed(error)
        resolve(rejection(error, end))
      }
      const placeName = placeNameOf(record)
      const buffer = placeName === undefined ? this.#buffers.now(queue) : this.#buffers.of(queue, placeName)
      buffer.add([record], bytesOf(record), queued, failed)
    })
  }

  /**
   * Queues many jobs. There is no `await` before the buffers have the jobs, so that all jobs of one tick
   * travel together.
   *
   * @throws the errors of `one`, with the ids of the jobs that were queued in spite of the error
   */
  async many(job: JobLike, { queue, records }: NewJobs): Promise<boolean> {
    const sending = this.#sending(queue, records)
    const rows = this.#rows(queue, records)
    await this.#deliver(rows, records.length).catch((error) => {
      sending?.failed(error)
      throw error
    })
    if (records.length > 0) this.#meet(records[0]!.key)
    const others = new Map<NewJob, Enqueued>()
    forEachAnswer(rows, (record, answer) => {
      if (answer !== 'queued') others.set(record, answer)
    })
    const answers = records.map((record) => others.get(record) ?? 'queued')
    sending?.sent(sentOf(records, (record, i) => answered(record, answers[i]!)))
    return note(job, records, answers)
  }

  /**
   * Queues jobs of several classes, each with its own record. As in `many`, there is no `await` before the
   * buffers have the jobs.
   *
   * @returns what happened to each job, in the order of the jobs
   * @throws the errors of `many`
   */
  async each(jobs: readonly NewJobs[]): Promise<Dispatched[]> {
    const queues = new Map<string, NewJob[]>()
    for (const { queue, records } of jobs) {
      const others = queues.get(queue)
      if (others === undefined) queues.set(queue, [...records])
      else others.push(...records)
    }
    const sendings = [...queues].map(([queue, records]) => ({
      records,
      sending: this.#sending(queue, records),
    }))
    const rows = [...queues].flatMap(([queue, records]) => this.#rows(queue, records))
    const all = jobs.flatMap(({ records }) => records)
    await this.#deliver(rows, all.length).catch((error) => {
      for (const { sending } of sendings) sending?.failed(error)
      throw error
    })
    for (const key of new Set(all.map((record) => record.key))) this.#meet(key)
    const found = new Map<NewJob, Dispatched>()
    forEachAnswer(rows, (record, answer, partition) => {
      found.set(record, { id: idOf(record, answer), partition, rejection: rejectionOf(answer) })
    })
    for (const { records, sending } of sendings)
      sending?.sent(sentOf(records, (record) => found.get(record)!))
    return all.map((record) => found.get(record)!)
  }

  /** Reports a dispatch to the telemetry, if there is one, and stores the trace in its jobs. */
  #sending(queue: string, records: readonly NewJob[]): Sending | undefined {
    if (this.#telemetry === undefined || records.length === 0) return undefined
    const [{ key }] = records as [NewJob]
    const isOneKey = records.every((record) => record.key === key)
    const sending = this.#telemetry.sending({ queue, count: records.length, ...(isOneKey && { key }) })
    giveTrace(records, sending.trace)
    return sending
  }

  /** Sends chunks. @param count the number of all jobs, for the message of an error */
  async #deliver(rows: readonly BufferChunks[], count: number): Promise<void> {
    const errors: unknown[] = []
    const send = async ({ buffer, chunks }: BufferChunks) => {
      for (const chunk of chunks) {
        if (errors.length > 0) return
        try {
          chunk.answers = await sent(buffer, chunk)
          const refused = refusal(chunk.jobs, chunk.answers, buffer.partition)
          if (refused !== undefined) errors.push(refused)
        } catch (error) {
          errors.push(error)
        }
      }
    }
    await Promise.all(rows.map(send))
    if (errors.length === 0) return
    const queued: string[] = []
    forEachAnswer(rows, (record, answer) => {
      if (isQueued(answer)) queued.push(idOf(record, answer))
    })
    throw partial(worst(errors), queued, count)
  }

  /**
   * Divides jobs into chunks for each buffer. Plain jobs go to the buffers in turn. A job with a group, a
   * lock or an id that the application chose always goes to the same buffer.
   */
  #rows(queue: string, records: readonly NewJob[]): BufferChunks[] {
    const parts = new Map<SendBuffer, NewJob[]>()
    const isPlain = (record: NewJob) => {
      const placeName = placeNameOf(record)
      if (placeName === undefined) return true
      const buffer = this.#buffers.of(queue, placeName)
      const part = parts.get(buffer)
      if (part === undefined) parts.set(buffer, [record])
      else part.push(record)
      return false
    }
    const chunks = [...chunksOf(records.filter(isPlain))]
    const buffers = this.#buffers.all(queue).slice(0, chunks.length)
    const inTurn = buffers.map((buffer, at) => ({
      buffer,
      chunks: chunks.filter((_, i) => i % buffers.length === at),
    }))
    return [...inTurn, ...[...parts].map(([buffer, part]) => ({ buffer, chunks: [...chunksOf(part)] }))]
  }

  /**
   * Warns about a key that no worker knows, because its jobs may wait for ever. A process warns once for each
   * key.
   */
  #meet(key: string): void {
    if (this.#met.has(key) || this.#met.size >= MOST_MET) return
    this.#met.add(key)
    const warned = this.#store.keys().then((keys) => {
      if (keys.length === 0 || runsKey(keys, key)) return
      process.emitWarning(
        `No worker has ever known the job key '${key}': its jobs wait until one does. Start one: lark jobs:work`,
        { code: 'LARK_UNKNOWN_KEY' },
      )
    })
    const end = this.#underway.begin(0)
    warned.then(end, end)
  }
}

interface BufferChunks {
  buffer: SendBuffer
  chunks: Chunk[]
}

interface Chunk {
  jobs: NewJob[]
  bytes: number
  /** The answers of the store. Undefined until the store has answered. */
  answers?: Enqueued[]
}

/** What happened to one job of a dispatch. */
export interface Dispatched {
  id: string
  partition: string
  rejection: Rejection | undefined
}

/**
 * Calls a function with each job, the answer of the store, and the partition. Chunks without an answer are
 * left out. (A generator would cost 4 µs more for each job. In a `dispatchMany` of 100 jobs, each job costs 6
 * µs.)
 */
function forEachAnswer(
  rows: readonly BufferChunks[],
  visit: (job: NewJob, answer: Enqueued, partition: string) => void,
): void {
  for (const { buffer, chunks } of rows)
    for (const { jobs, answers = [] } of chunks)
      for (let i = 0; i < answers.length; i++) visit(jobs[i]!, answers[i]!, buffer.partition)
}

/**
 * Stores the ids and the rejection of a dispatch in the job.
 *
 * @returns whether all records of the dispatch are queued
 */
function note(job: JobLike, records: readonly NewJob[], answers: readonly Enqueued[], first = 0): boolean {
  const inside = insideOfJob(job)
  inside.ids = idsOf(records, answers, first)
  let rejection: Rejection | undefined
  for (let i = 0; i < records.length && rejection === undefined; i++) {
    rejection = rejectionOf(answers[first + i]!)
  }
  inside.rejection = rejection
  return rejection === undefined
}

/** The ids of queued jobs. */
function idsOf(records: readonly NewJob[], answers: readonly Enqueued[], first = 0): string[] {
  const ids: string[] = []
  for (let i = 0; i < records.length; i++) {
    const answer = answers[first + i]!
    if (isQueued(answer)) ids.push(idOf(records[i]!, answer))
  }
  return ids
}

function isQueued(answer: Enqueued): boolean {
  return typeof answer === 'string' || answer.kind === 'replaced'
}

/** The error for jobs whose priority the store refused, or undefined if the store refused no job. */
function refusal(
  jobs: readonly NewJob[],
  answers: readonly Enqueued[],
  partition: string,
  first = 0,
): JobsError | undefined {
  const isRefused = (_: NewJob, i: number) => {
    const answer = answers[first + i]!
    return typeof answer === 'object' && answer.kind === 'refused'
  }
  const at = jobs.findIndex(isRefused)
  if (at < 0) return undefined
  const { key, priority } = jobs[at]!
  const ids = jobs.filter(isRefused).map(({ id }) => id)
  const message = `${key}: the priority ${priority} is refused, because the jobs that wait in ${partition} have ${MAX_LINES} others`
  return new JobsError('TOO_MANY_PRIORITIES', message, {
    id: ids[0]!,
    ids,
    hint: 'The job is not queued. A queue holds at most 256 priorities besides 0: take one that is in use, or use steps of ten.',
  })
}

function rejectionOf(answer: Enqueued): Rejection | undefined {
  if (typeof answer === 'string' || answer.kind !== 'rejected') return undefined
  const { kind: _, ...rejection } = answer
  return rejection
}

/**
 * The id of the job in the answer of the store. It is the new job (a buffer may have changed its id), the job
 * whose payload the dispatch has replaced, or the job that was the reason for a rejection.
 */
function idOf(record: NewJob, answer: Enqueued): string {
  return typeof answer === 'object' && 'by' in answer ? answer.by : record.id
}

/** Sums up the answers for the telemetry. */
function sentOf(
  records: readonly NewJob[],
  answerOf: (record: NewJob, i: number) => Pick<Dispatched, 'id' | 'rejection'>,
): Sent {
  const answers = records.map(answerOf)
  const rejected = answers.filter(({ rejection }) => rejection !== undefined).length
  return { count: records.length, rejected, ...(answers.length === 1 && { id: answers[0]!.id }) }
}

function answered(record: NewJob, answer: Enqueued): Pick<Dispatched, 'id' | 'rejection'> {
  return { id: idOf(record, answer), rejection: rejectionOf(answer) }
}

/** Cuts jobs into chunks that each fit in one call. */
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

function sent(buffer: SendBuffer, { jobs, bytes }: Chunk): Promise<Enqueued[]> {
  return new Promise((resolve, reject) => {
    const queued = (results: Enqueued[], first: number) => resolve(results.slice(first, first + jobs.length))
    buffer.add(jobs, bytes, queued, reject)
  })
}

/**
 * Chooses one of several errors. An error that leaves jobs uncertain comes first, and gets the ids of all
 * uncertain jobs. If there is no such error, the first error is chosen.
 */
function worst(errors: readonly unknown[]): unknown {
  const known = errors.filter((error) => error instanceof JobsError)
  const error = known.find(({ code }) => code === 'DISPATCH_UNCERTAIN') ?? known[0]
  const alike = known.filter(({ code }) => code === error?.code)
  if (error === undefined || alike.length === 1) return error ?? errors[0]
  const ids = alike.flatMap((each) => each.ids ?? [])
  return error.again({ id: ids[0]!, ids })
}

/** Adds to an error the ids of the jobs that were queued before the error. */
function partial(error: unknown, queued: string[], count: number): unknown {
  if (queued.length === 0 || !(error instanceof JobsError)) return error
  return error.again({
    message: `${queued.length} of ${count} jobs are queued; then: ${error.message}`,
    cause: error,
    queued,
    hint: 'error.queued has the ids of the queued jobs.',
  })
}
