/**
 * Connects an isolated process with the rest of the package: gives it the instance of `Jobs` that its jobs
 * belong to, and the configuration.
 */
import type { CodeConfig } from '../config/configured.ts'
import { IsolatedChild } from '../isolation/child.ts'
import type { TelemetryCalls } from '../model/run/telemetry.ts'
import { Jobs, jobsInside } from './default-jobs.ts'

/**
 * The name is in a variable, so that a bundler does not follow the import and look for OpenTelemetry, which
 * the application may not have.
 */
const OTEL = '@s18i/lark-jobs/otel'

/** @param guard the file of the thread that guards the process */
export function hostIsolated(guard: string): void {
  const host = {
    owner: jobsInside,
    configure: (config: object) => Jobs.configure(config as CodeConfig),
    settings: () => jobsInside.settings(),
    telemetry,
    close: () => Jobs.close(),
  }
  new IsolatedChild(host, guard)
}

/** Returns undefined in a bundle from which the package cannot be imported. */
async function telemetry(): Promise<TelemetryCalls | undefined> {
  const found = await import(
    /* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ OTEL
  ).catch(() => undefined)
  return found?.otel()
}
