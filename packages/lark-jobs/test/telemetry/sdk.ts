/**
 * The SDK of an application: the real one, with exporters that keep everything in memory. The SDK registers
 * itself with the global API, as in an application.
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

  /** Returns the ended spans with this name, in the order in which they began. */
  spans(name?: string): ReadableSpan[] {
    const all = this.#spans.getFinishedSpans().filter((span) => name === undefined || span.name === name)
    const began = ({ startTime: [s, ns] }: ReadableSpan) => s * 1e9 + ns
    return all.sort((one, other) => began(one) - began(other))
  }

  /** Collects the metrics once, and returns the data points of each metric by its name. */
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

/** Returns the ids that tests compare: of the trace, of the span, and of the links of the span. */
export function idsOf(span: ReadableSpan): { trace: string; id: string; parent?: string; links: string[] } {
  const { traceId, spanId } = span.spanContext()
  return {
    trace: traceId,
    id: spanId,
    ...(span.parentSpanContext !== undefined && { parent: span.parentSpanContext.spanId }),
    links: span.links.map(({ context }) => context.spanId),
  }
}
