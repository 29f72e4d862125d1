/**
 * An isolated class that makes spans. The isolated process sets up its own OpenTelemetry SDK, as an
 * application does.
 */
import { propagation, trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { context, isolated, Job } from '../../src/index.ts'

const exporter = new InMemorySpanExporter()
if (process.argv[1]?.endsWith('isolated.js'))
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()

export class TracedJob extends Job {
  override isolate = isolated({ file: import.meta.url })

  async handle() {
    await Promise.resolve()
    trace.getTracer('app').startSpan('inside').end()
    await this.step('mail', () => {})
    const made = exporter.getFinishedSpans().splice(0)
    return {
      pid: process.pid,
      trace: trace.getActiveSpan()?.spanContext().traceId,
      tenant: propagation.getActiveBaggage()?.getEntry('tenant')?.value,
      context: context(),
      spans: made.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId]),
    }
  }
}
