/**
 * A telemetry for OpenTelemetry. It makes spans of dispatches and runs, and metrics, according to the
 * semantic conventions for messaging 1.44. It uses only the global API, so the data goes to the SDK that the
 * application has set up. Without an SDK, nothing happens.
 *
 * A run begins a trace of its own and links to its dispatch: a job may run days later, or many times, and a
 * trace that lasts for days can be neither sampled nor shown as a whole.
 */
import {
  type Attributes,
  type Context,
  context,
  diag,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { memberOf } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import type { ClaimedJob } from '../../model/record.ts'
import type { RunEnd } from '../../model/run/run-counts.ts'
import type {
  CrashedRun,
  Dispatch,
  Levels,
  Processing,
  Sending,
  Sent,
  TelemetryCalls,
  TracedJob,
  TracedRun,
  TracedStep,
} from '../../model/run/telemetry.ts'
import { tickOf } from '../../model/tick.ts'
import { lengthOf, MAX_TRACE, readTrace, type Trace } from '../../model/trace.ts'
import { version } from '../../model/version.ts'
import { fieldOf, isError, textOf } from '../../words/thrown.ts'
import { attribute, SCOPE, SYSTEM } from './conventions.ts'
import { Meters } from './meters.ts'

export class OpenTelemetry implements TelemetryCalls {
  readonly kind = 'opentelemetry'
  readonly #tracer = trace.getTracer(SCOPE, version)
  readonly #meters = new Meters()

  sending(dispatch: Dispatch): Sending {
    return new SendSpan(this.#tracer, this.#meters, dispatch)
  }

  processing(run: TracedRun): Processing {
    return new ProcessSpan(this, this.#tracer, this.#meters, run)
  }

  continued(job: TracedJob, from: Trace | undefined): Processing {
    const active = contextOf(from)
    return {
      carried: undefined,
      within: (act) => context.with(active, act),
      step: (step, act) => this.step(job, step, act),
      ended() {},
    }
  }

  /**
   * The span of a step. It is a child of the span that is active where the handler calls the step: the span
   * of the run, or a span that the handler has made.
   */
  async step<T>(
    { id, queue, key }: TracedJob,
    { what, name, family, attempt }: TracedStep,
    act: () => Promise<T>,
  ): Promise<T> {
    const span = this.#tracer.startSpan(`${what} ${family}`, {
      attributes: {
        [attribute.queue]: queue,
        [attribute.id]: id,
        [attribute.key]: key,
        [attribute.step]: name,
        [attribute.stepAttempt]: attempt,
      },
    })
    try {
      return await context.with(trace.setSpan(context.active(), span), act)
    } catch (error) {
      fail(span, error)
      throw error
    } finally {
      span.end()
    }
  }

  /** Makes a span without a duration, at the time at which the job was taken back. */
  crashed({ job, error, ...place }: CrashedRun): void {
    const at = error.at ?? Date.now()
    const { span } = startRun(this.#tracer, { ...place, job: job }, at)
    span.setAttribute(attribute.outcome, 'crashed')
    fail(span, new JobsError('WORKER_DIED', error.message))
    span.end(at)
  }

  observing(look: () => Promise<Levels>): () => void {
    return this.#meters.observe(look)
  }
}

/** The span of a dispatch. It is a child of the span that is active where the application dispatches. */
class SendSpan implements Sending {
  readonly trace: Trace | undefined
  readonly #span: Span
  readonly #meters: Meters
  readonly #dispatch: Dispatch
  readonly #startedAt = performance.now()

  constructor(tracer: Tracer, meters: Meters, dispatch: Dispatch) {
    const { queue, key, count = 0, flow } = dispatch
    this.#meters = meters
    this.#dispatch = dispatch
    const attributes = of('send', queue)
    if (key !== undefined) attributes[attribute.key] = key
    if (count > 1) attributes[attribute.count] = count
    if (flow !== undefined) attributes[attribute.conversation] = flow
    this.#span = tracer.startSpan(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes })
    this.trace = carried(trace.setSpan(context.active(), this.#span))
  }

  sent({ count, id, rejected = 0 }: Sent): void {
    if (id !== undefined) this.#span.setAttribute(attribute.id, id)
    if (this.#dispatch.flow !== undefined && count > 0) this.#span.setAttribute(attribute.count, count)
    if (rejected > 0) this.#span.setAttribute(attribute.rejected, rejected)
    this.#end(count)
  }

  failed(error: unknown, count = this.#dispatch.count ?? 0): void {
    fail(this.#span, error)
    this.#end(count, typeOf(error))
  }

  #end(count: number, errorType?: string): void {
    this.#span.end()
    this.#meters.sent(this.#dispatch.queue, count, performance.now() - this.#startedAt, errorType)
  }
}

/** The span of a run. */
class ProcessSpan implements Processing {
  readonly #telemetry: TelemetryCalls
  readonly #span: Span
  readonly #context: Context
  readonly #meters: Meters
  readonly #run: TracedRun

  constructor(telemetry: TelemetryCalls, tracer: Tracer, meters: Meters, run: TracedRun) {
    this.#telemetry = telemetry
    this.#meters = meters
    this.#run = run
    const { span, dispatched } = startRun(tracer, run)
    this.#span = span
    this.#context = trace.setSpan(dispatched, span)
    meters.began(run.queue, run.key, run.waited)
  }

  get carried(): Trace | undefined {
    return carried(this.#context)
  }

  within<T>(act: () => T): T {
    return context.with(this.#context, act)
  }

  step<T>(step: TracedStep, act: () => Promise<T>): Promise<T> {
    const { job, queue, key } = this.#run
    return this.#telemetry.step({ id: job.id, queue, key }, step, act)
  }

  ended(how: RunEnd | 'lost', took: number, error?: unknown): void {
    const isFailed = how === 'failed' || how === 'retried' || how === 'lost'
    this.#span.setAttribute(attribute.outcome, how)
    if (isFailed) fail(this.#span, error)
    this.#span.end()
    const { queue, key } = this.#run
    this.#meters.processed(queue, key, took, isFailed ? typeOf(error) : undefined)
  }
}

interface StartedRun extends Pick<TracedRun, 'queue' | 'partition' | 'key'> {
  job: Pick<ClaimedJob, 'id' | 'failures' | 'options'>
}

/** @param startTime when the span starts. Default: now */
function startRun(tracer: Tracer, { job, queue, partition, key }: StartedRun, startTime?: number) {
  const attributes = of('process', queue)
  attributes[attribute.id] = job.id
  attributes[attribute.key] = key
  attributes[attribute.attempt] = job.failures + 1
  if (partition !== queue) attributes[attribute.partition] = partition
  // The id of a member of a flow has a colon. Most other ids have none, so they need no further check.
  if (job.id.includes(':')) {
    const flow = memberOf(job.id)?.flow
    const schedule = tickOf(job.id)?.schedule
    if (flow !== undefined) attributes[attribute.conversation] = flow
    if (schedule !== undefined) attributes[attribute.schedule] = schedule
  }
  // The context is set explicitly, because a worker may begin a job in the context of another run.
  const dispatched = contextOf(job.options?.trace)
  const link = trace.getSpanContext(dispatched)
  const links: Link[] = link === undefined ? [] : [{ context: link }]
  const options: SpanOptions = { kind: SpanKind.CONSUMER, root: true, links, attributes }
  if (startTime !== undefined) options.startTime = startTime
  return { span: tracer.startSpan(`process ${queue}`, options, dispatched), dispatched }
}

function of(operation: 'send' | 'process', queue: string): Attributes {
  return {
    [attribute.system]: SYSTEM,
    [attribute.operation]: operation,
    [attribute.type]: operation,
    [attribute.queue]: queue,
  }
}

function fail(span: Span, error: unknown): void {
  if (!span.isRecording()) return
  span.setAttribute(attribute.error, typeOf(error))
  span.setStatus({ code: SpanStatusCode.ERROR, message: textOf(error) })
  if (isError(error)) span.recordException(error)
}

/** The maximum length of the type of an error, in characters. It is short because the type is a label. */
const LONGEST = 100

/**
 * The label for an error, which must have only few values: the error's code, or else the name of its class.
 */
function typeOf(error: unknown): string {
  const named = [fieldOf(error, 'code'), fieldOf(error, 'name')]
  const found = isError(error) ? named.find((each) => typeof each === 'string' && each !== '') : undefined
  return ((found as string | undefined) ?? '_OTHER').slice(0, LONGEST)
}

/**
 * The trace that the propagator of the process writes for a context. Undefined if it writes nothing or too
 * much.
 */
function carried(from: Context): Trace | undefined {
  const carrier: Record<string, string> = {}
  propagation.inject(from, carrier)
  const size = lengthOf(Object.entries(carrier))
  if (size === 0) return undefined
  if (size <= MAX_TRACE) return carrier
  diag.warn(
    `lark-jobs: the context to propagate has ${size} bytes, the limit is ${MAX_TRACE}: its baggage is left out`,
  )
  return carried(propagation.deleteBaggage(from))
}

/** The context in which a job was dispatched, as far as it was stored. */
function contextOf(stored: unknown): Context {
  const carrier = readTrace(stored)
  return carrier === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrier)
}
