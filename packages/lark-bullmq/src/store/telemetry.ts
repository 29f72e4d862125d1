/**
 * The option `telemetry`: an object that makes spans and counts, such as that of the package `bullmq-otel`.
 * The interfaces, the names of spans and attributes, and the metrics are those of BullMQ.
 */
import { isObject } from '@s18i/lark-jobs/internal'
import { wrongValue } from '../compared/unsupported.ts'

// biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
export interface Telemetry<Context = any> {
  tracer: Tracer<Context>
  contextManager: ContextManager<Context>
  /** Without a meter, nothing is counted. */
  meter?: Meter
}

// biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
export interface Tracer<Context = any> {
  startSpan(name: string, options?: SpanOptions, context?: Context): Span<Context>
}

export interface SpanOptions {
  kind: SpanKind
}

// biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
export interface ContextManager<Context = any> {
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  with<A extends (...args: any[]) => any>(context: Context, fn: A): ReturnType<A>
  active(): Context
  /** The text that is stored with a job, for `fromMetadata` in another process. */
  getMetadata(context: Context): string
  fromMetadata(activeContext: Context, metadata: string): Context
}

// biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
export interface Span<Context = any> {
  setSpanOnContext(ctx: Context): Context
  setAttribute(key: string, value: AttributeValue): void
  setAttributes(attributes: Attributes): void
  addEvent(name: string, attributes?: Attributes): void
  recordException(exception: Exception, time?: Time): void
  end(): void
}

export interface Attributes {
  [attribute: string]: AttributeValue | undefined
}

export type AttributeValue =
  | string
  | number
  | boolean
  | (null | undefined | string)[]
  | (null | undefined | number)[]
  | (null | undefined | boolean)[]

export type Exception = string | { code?: string | number; name?: string; message?: string; stack?: string }

export type Time = [number, number] | number | Date

export interface Meter {
  createCounter(name: string, options?: MetricOptions): Counter
  createHistogram(name: string, options?: MetricOptions): Histogram
  createGauge(name: string, options?: MetricOptions): Gauge
}

export interface MetricOptions {
  description?: string
  unit?: string
}

export interface Counter {
  add(value: number, attributes?: Attributes): void
}

export interface Histogram {
  record(value: number, attributes?: Attributes): void
}

export interface Gauge {
  record(value: number, attributes?: Attributes): void
}

/** The option `telemetry` of a job. */
export interface JobTelemetry {
  /** The context in which the job was added, for the span of its run. */
  metadata?: string
  /** Whether the span of its run does not belong to the trace in which the job was added. */
  omitContext?: boolean
}

export const SpanKind = { INTERNAL: 0, SERVER: 1, CLIENT: 2, PRODUCER: 3, CONSUMER: 4 } as const
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind]

export const TelemetryAttributes = {
  QueueName: 'bullmq.queue.name',
  QueueOperation: 'bullmq.queue.operation',
  BulkCount: 'bullmq.job.bulk.count',
  BulkNames: 'bullmq.job.bulk.names',
  JobName: 'bullmq.job.name',
  JobId: 'bullmq.job.id',
  JobAttemptsMade: 'bullmq.job.attempts.made',
  QueueGrace: 'bullmq.queue.grace',
  QueueCleanLimit: 'bullmq.queue.clean.limit',
  QueueCleanCount: 'bullmq.queue.clean.count',
  JobType: 'bullmq.job.type',
  QueueJobsState: 'bullmq.queue.jobs.state',
  WorkerName: 'bullmq.worker.name',
  WorkerId: 'bullmq.worker.id',
  JobAttemptFinishedTimestamp: 'bullmq.job.attempt_finished_timestamp',
  JobProcessedTimestamp: 'bullmq.job.processed.timestamp',
  JobResult: 'bullmq.job.result',
  JobFailedReason: 'bullmq.job.failed.reason',
  FlowName: 'bullmq.flow.name',
  JobSchedulerId: 'bullmq.job.scheduler.id',
  JobState: 'bullmq.job.state',
} as const

export const MetricNames = {
  QueueJobsCount: 'bullmq.queue.jobs',
  JobsCompleted: 'bullmq.jobs.completed',
  JobsFailed: 'bullmq.jobs.failed',
  JobsDelayed: 'bullmq.jobs.delayed',
  JobsRetried: 'bullmq.jobs.retried',
  JobsWaiting: 'bullmq.jobs.waiting',
  JobsWaitingChildren: 'bullmq.jobs.waiting_children',
  JobDuration: 'bullmq.job.duration',
} as const

/** What a job becomes at the end of a run. */
export type CountedState = 'completed' | 'failed' | 'delayed' | 'retried' | 'waiting' | 'waiting-children'

const counterOf: Readonly<Record<CountedState, string>> = {
  completed: MetricNames.JobsCompleted,
  failed: MetricNames.JobsFailed,
  delayed: MetricNames.JobsDelayed,
  retried: MetricNames.JobsRetried,
  waiting: MetricNames.JobsWaiting,
  'waiting-children': MetricNames.JobsWaitingChildren,
}

/** @throws JOB_INVALID */
export function checkTelemetry(who: string, telemetry: unknown): void {
  if (telemetry === undefined || telemetry === null || telemetry === false) return
  if (isObject(telemetry) && isObject(telemetry.tracer) && isObject(telemetry.contextManager)) return
  throw wrongValue(who, 'telemetry', telemetry, 'an object with a tracer and a contextManager')
}

/** A span that is to be made. */
export interface Spanned {
  kind: SpanKind
  queue: string
  operation: string
  /** What follows the operation in the name of the span. */
  on: string
  /** The text of another context to which the span belongs. */
  from?: string | undefined
}

/**
 * Makes a call within a span of its own. If the call throws, the span has the error.
 *
 * @param call gets the span, and the text of its context, which another process can continue
 */
export async function traced<T>(
  telemetry: Telemetry | undefined,
  { kind, queue, operation, on, from }: Spanned,
  call: (span?: Span, metadata?: string) => Promise<T>,
): Promise<T> {
  if (!telemetry) return await call()
  const { tracer, contextManager } = telemetry
  const active = contextManager.active()
  const outer = from ? contextManager.fromMetadata(active, from) : undefined
  const span = tracer.startSpan(on ? `${operation} ${on}` : operation, { kind }, outer)
  try {
    span.setAttributes({
      [TelemetryAttributes.QueueName]: queue,
      [TelemetryAttributes.QueueOperation]: operation,
    })
    const own = span.setSpanOnContext(outer ?? active)
    return await contextManager.with(own, () => call(span, contextManager.getMetadata(own)))
  } catch (error) {
    span.recordException(error as Error)
    throw error
  } finally {
    span.end()
  }
}

/** Adds the context of a span to the options of a job that is added within the span. */
export function withContext<O extends { telemetry?: JobTelemetry }>(
  opts: O,
  metadata: string | undefined,
): O {
  const { metadata: own, omitContext } = opts.telemetry ?? {}
  const kept = own || (omitContext ? undefined : metadata)
  return kept ? { ...opts, telemetry: { ...opts.telemetry, metadata: kept } } : opts
}

/** Counts a job at the end of its run, and how long the run took. */
export function countJob(
  telemetry: Telemetry | undefined,
  queue: string,
  { name, processedOn }: { name: string; processedOn?: number },
  state: CountedState,
): void {
  const meter = telemetry?.meter
  if (!meter) return
  const attributes = {
    [TelemetryAttributes.QueueName]: queue,
    [TelemetryAttributes.JobName]: name,
    [TelemetryAttributes.JobState]: state,
  }
  meter
    .createCounter(counterOf[state], { description: `Number of jobs ${state}`, unit: '1' })
    .add(1, attributes)
  if (!processedOn) return
  const took = { description: 'Job processing duration', unit: 'ms' }
  meter.createHistogram(MetricNames.JobDuration, took).record(Date.now() - processedOn, attributes)
}
