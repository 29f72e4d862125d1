/**
 * The SDK of an application: the real one, with exporters that keep everything in memory. It registers itself
 * with the global API, as an application does.
 */
import { context, diag, metrics, propagation, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'

export class Sdk implements AsyncDisposable {
  readonly #spans = new InMemorySpanExporter()
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#metrics,
    exportIntervalMillis: 2 ** 30,
  })
  readonly #meters = new MeterProvider({ readers: [this.#reader] })

  constructor() {
    new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#spans)] }).register()
    metrics.setGlobalMeterProvider(this.#meters)
  }

  /** The spans that have ended, by name, in the order in which they began. */
  spans(name?: string): ReadableSpan[] {
    const all = this.#spans.getFinishedSpans().filter((span) => name === undefined || span.name === name)
    const began = ({ startTime: [s, ns] }: ReadableSpan) => s * 1e9 + ns
    return all.sort((one, other) => began(one) - began(other))
  }

  /** The points of every metric, by name, in one collection. */
  async collected(): Promise<Record<string, DataPoint<unknown>[]>> {
    this.#metrics.reset()
    await this.#reader.forceFlush()
    const all = this.#metrics.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
    const found = all.flatMap((scope) => scope.metrics)
    return Object.fromEntries(found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#meters.shutdown()
    for (const api of [context, propagation, trace, metrics, diag]) api.disable()
  }
}

/** The ids that tests compare: those of the trace and the span, and those of the links of the span. */
export function idsOf(span: ReadableSpan): { trace: string; id: string; parent?: string; links: string[] } {
  const { traceId, spanId } = span.spanContext()
  return {
    trace: traceId,
    id: spanId,
    ...(span.parentSpanContext !== undefined && { parent: span.parentSpanContext.spanId }),
    links: span.links.map(({ context }) => context.spanId),
  }
}
