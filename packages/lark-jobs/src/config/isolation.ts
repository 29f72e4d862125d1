/** The configuration of the processes in which isolated classes run. */
import { duration, type OptionsOf, type Read, Schema, whole } from '../options/schema.ts'

export const isolationOptions = new Schema('an object such as { processes: 4 }', {
  /**
   * The maximum number of processes of one worker. Default: the number of jobs that the worker runs at a
   * time.
   */
  processes: whole(1),
  /** A process ends after this number of jobs, and another process takes its place. Default: no limit. */
  maxJobs: whole(1),
  /** A process of this age ends when its job has ended: `'1h'`. Default: no limit. */
  maxAge: duration(),
  /** A process that has had no job for this time ends; the last process stays. Default 5 min. */
  idle: duration().or('5m'),
})

export interface IsolationConfig extends OptionsOf<typeof isolationOptions.entries> {}

export type ConfiguredIsolation = Read<typeof isolationOptions.entries>
