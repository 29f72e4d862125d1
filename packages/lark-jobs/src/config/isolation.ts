/** The configuration of the processes in which isolated classes run. */
import { duration, type OptionsOf, type Read, Schema, whole } from '../options/schema.ts'

export const isolationOptions = new Schema('an object such as { processes: 4 }', {
  /**
   * The maximum number of processes of one worker. Default: the number of jobs that the worker runs at a
   * time.
   */
  processes: whole(1),
  /** The number of jobs after which a process ends. Another process takes its place. Default: no limit. */
  maxJobs: whole(1),
  /** The age, such as `'1h'`, from which a process ends as soon as its job has ended. Default: no limit. */
  maxAge: duration(),
  /**
   * How long a process may have no job before the process ends. The last process does not end. Default 5 min.
   */
  idle: duration().or('5m'),
})

export interface IsolationConfig extends OptionsOf<typeof isolationOptions.entries> {}

export type ConfiguredIsolation = Read<typeof isolationOptions.entries>
