/**
 * Spans and metrics for OpenTelemetry. Needs `@opentelemetry/api`, and does nothing unless the application
 * sets up an SDK.
 *
 * @module @s18i/lark-jobs/otel
 */
import type { Telemetry } from './model/run/telemetry.ts'
import { OpenTelemetry } from './telemetry/otel/open-telemetry.ts'

export type { Telemetry } from './model/run/telemetry.ts'

/**
 * Reports every dispatch and every run to OpenTelemetry, as linked spans and as metrics. The names follow the
 * semantic conventions for messaging. See docs/opentelemetry.md.
 *
 * @returns a value for `jobs.telemetry` of the configuration
 * @example export default defineConfig({ jobs: { telemetry: otel() } })
 */
export function otel(): Telemetry {
  return new OpenTelemetry()
}
