/**
 * An isolated process as a part of the package: the instance of `Jobs` that its jobs belong to, and the
 * configuration.
 */
import type { CodeConfig } from '../config/configured.ts'
import { IsolatedChild } from '../isolation/child.ts'
import { Jobs, jobsInside } from './default-jobs.ts'

/** @param guard the file of the thread that guards the process */
export function hostIsolated(guard: string): void {
  const host = {
    owner: jobsInside,
    configure: (config: object) => Jobs.configure(config as CodeConfig),
    settings: () => jobsInside.settings(),
    close: () => Jobs.close(),
  }
  new IsolatedChild(host, guard)
}
