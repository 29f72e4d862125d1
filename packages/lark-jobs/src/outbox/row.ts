/**
 * A row of the outbox: a job or a flow that is queued after the transaction of the application has committed.
 * The row has all data that a store needs, so the relay needs neither the class nor the process that wrote
 * the row. A store in the same database can take the row over with one statement, because the columns `id`
 * and `queue` and the fields of the body have the names that a store uses.
 *
 *   form   says how the body is written. 1: JSON. Other numbers are used by later versions of Lark, or for
 *          a body that is encrypted. Such a row is kept, and counted as a row that this version cannot read
 *   kind   `job`: the body is the record of a job without its id (`NewJob`)
 *          `flow`: the body has the partition of the flow, its definition, and the jobs of its members
 *          (`NewFlow`)
 */
import { JobsError } from '../model/errors.ts'
import { type FlowDefinition, type FlowJob, MAX_DEFINITION } from '../model/flow.ts'
import { isId } from '../model/id.ts'
import { isQueueName } from '../model/partition.ts'
import type { NewJob } from '../model/record.ts'
import { textOf } from '../words/thrown.ts'

/** The form of the rows that this version writes. */
export const ROW_FORM = 1

/** The maximum size of a body in bytes. The largest bodies are definitions of flows with their members. */
export const MAX_BODY = 2 * MAX_DEFINITION

/** A row that is to be inserted. The database adds its place and the time. */
export interface NewRow {
  id: string
  queue: string
  form: number
  kind: 'job' | 'flow'
  body: string
}

/** A flow that is to be started in a store. */
export interface NewFlow {
  /** The partition of the flow. */
  home: string
  definition: FlowDefinition
  /** The jobs of a batch's members. */
  members?: FlowJob[]
}

/** The job or flow that a row will become. */
export type RowWork = { kind: 'job'; job: NewJob } | { kind: 'flow'; flow: NewFlow }

/** A row that was read. */
export interface OutboxRow {
  /**
   * The place of the row: an integer as text, which determines the order of the rows and identifies the row
   * in its table.
   */
  place: string
  /** The id of the job or of the flow. */
  id: string
  queue: string
  /** Milliseconds since the row was written, by the clock of the database. */
  age: number
  tries: number
  /** Why the row cannot become a job, if the relay has marked it. */
  error?: string
  /** The job or flow. Undefined if this version cannot read the row. In that case, `flaw` says why. */
  work?: RowWork
  flaw?: string
}

export function rowOfJob(queue: string, { id, ...job }: NewJob): NewRow {
  return { id, queue, form: ROW_FORM, kind: 'job', body: JSON.stringify(job) }
}

/** @throws FLOW_TOO_LARGE */
export function rowOfFlow(id: string, queue: string, flow: NewFlow): NewRow {
  const body = JSON.stringify(flow)
  const bytes = Buffer.byteLength(body)
  if (bytes > MAX_BODY) throw tooLargeInTransaction(id, bytes)
  return { id, queue, form: ROW_FORM, kind: 'flow', body }
}

export function tooLargeInTransaction(id: string, bytes: number): JobsError {
  const message = `Flow ${id} has ${bytes} bytes with its members; in a transaction, the limit is ${MAX_BODY}`
  return new JobsError('FLOW_TOO_LARGE', message, {
    id,
    hint: 'Dispatch a job in the transaction that dispatches the flow when it runs.',
  })
}

/**
 * Reads a row of the table as a driver returned it. The function never throws: a row that cannot be read has
 * a `flaw`.
 */
export function decode(columns: Readonly<Record<string, unknown>>): OutboxRow {
  const { place, id, queue, form, kind, body, age, tries, error } = columns
  const row: OutboxRow = {
    place: String(place),
    id: String(id),
    queue: String(queue),
    age: Math.max(0, Number(age) || 0),
    tries: Number(tries) || 0,
  }
  if (typeof error === 'string') row.error = error
  try {
    row.work = workOf(row, Number(form), kind, body)
  } catch (cause) {
    row.flaw = textOf(cause)
  }
  return row
}

/** @throws a text for people that says why the row cannot be read */
function workOf(row: OutboxRow, form: number, kind: unknown, body: unknown): RowWork {
  if (form !== ROW_FORM) refuse(`its form is ${form}, and this version of Lark reads ${ROW_FORM}`)
  if (!isId(row.id)) refuse('its id is not the id of a job')
  if (!isQueueName(row.queue)) refuse('its queue is not the name of a queue')
  if (typeof body !== 'string' || body.length > MAX_BODY) refuse('its body is not a text')
  const read = parsed(body as string)
  if (kind === 'job') {
    check(jobFields, read)
    return { kind, job: Object.assign(read as unknown as NewJob, { id: row.id }) }
  }
  if (kind !== 'flow') refuse(`its kind is ${String(kind).slice(0, 20)}`)
  check(flowFields, read)
  return { kind: 'flow', flow: read as unknown as NewFlow }
}

type FieldCheck = (value: unknown) => boolean
const text: FieldCheck = (value) => typeof value === 'string'
const number: FieldCheck = (value) => Number.isInteger(value)
const object: FieldCheck = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)
const maybe =
  (check: FieldCheck): FieldCheck =>
  (value) =>
    value === undefined || check(value)

/**
 * Checks for the fields in the body of a job. A row with a field that is not listed here is refused: the
 * field comes from a later version of Lark, and would be lost.
 */
const jobFields: Record<Exclude<keyof NewJob, 'id'>, FieldCheck> = {
  key: (value) => text(value) && value !== '',
  payload: text,
  ownId: maybe((value) => value === 'new' || value === 'reuse'),
  priority: maybe(number),
  delay: maybe((value) => number(value) && (value as number) >= 0),
  options: maybe(object),
  lock: maybe((value) => object(value) && text((value as { name?: unknown }).name)),
  group: maybe((value) => object(value) && text((value as { name?: unknown }).name)),
  limiter: maybe(text),
  keep: maybe(object),
  hooked: maybe((value) => value === true),
}

const flowFields: Record<keyof NewFlow, FieldCheck> = {
  home: text,
  definition: (value) => object(value) && Array.isArray((value as { nodes?: unknown }).nodes),
  members: maybe(Array.isArray),
}

function check(fields: Record<string, FieldCheck>, read: Record<string, unknown>): void {
  for (const name in fields)
    if (!fields[name]!(read[name])) refuse(`the field ${name} of its body has a wrong value`)
  const other = Object.keys(read).find((name) => !Object.hasOwn(fields, name))
  if (other !== undefined)
    refuse(`its body has the field ${other.slice(0, 40)}, which this version of Lark does not know`)
}

function parsed(body: string): Record<string, unknown> {
  try {
    const read = JSON.parse(body)
    if (object(read)) return read
  } catch {}
  return refuse('its body is not a JSON object')
}

function refuse(why: string): never {
  throw new TypeError(why)
}
