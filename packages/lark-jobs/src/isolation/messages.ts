/**
 * The messages between a worker and an isolated process, over the IPC channel between them. A process runs
 * one job at a time, and the messages are about that job. `run` is the number of the run, because an order
 * may arrive after the job has ended.
 *
 * The application uses the same channel (`process.send` in a job). So each message of Lark is in a property
 * `lark`, like the messages to a supervisor.
 */
import type { Context } from '../model/context.ts'
import type { Journal, KeptSignal, Recorded } from '../model/journal.ts'
import type { ClaimedJob, LogLevel, Outcome } from '../model/record.ts'
import type { Decision } from '../model/run/decision.ts'
import type { Trace } from '../model/trace.ts'
import type { ClassMaker } from '../options/isolated.ts'
import type { CrossedError } from './crossed-error.ts'

/** The settings that a process receives before its first job. */
export interface IsolationSetting {
  /**
   * The isolated classes, each with the files that may export it. The class comes from the first file that
   * exports it.
   */
  classes: { key: string; files: string[]; maker?: ClassMaker | undefined }[]
  /** Whether the configuration has a function that makes jobs (`make`). */
  makes: boolean
  /** Whether the configuration has a function to call before the first job (`boot`). */
  boots: boolean
  /** Whether runs are traced. */
  traced: boolean
  /** The configuration, if it is given in code. */
  configure?: object | undefined
}

export type Order =
  /**
   * `version`: the version of the worker. Beside a bundle, the program of the process may come from another
   * release.
   */
  | ({ kind: 'begin'; version: string } & IsolationSetting)
  | {
      kind: 'run'
      run: number
      class: string
      job: ClaimedJob
      partition: string
      queue: string
      now: number
      /** The context in which `handle` runs. */
      context?: Context | undefined
      /** The trace context of the run's span. */
      trace?: Trace | undefined
    }
  | { kind: 'abort'; run: number; reason: CrossedError }
  /** The answer of the store to the entries of steps that the process sent. */
  | { kind: 'stored'; run: number; signals: readonly KeptSignal[]; lost?: CrossedError; known?: number }
  /** A durable signal has come for the job. */
  | { kind: 'signalled'; run: number }
  /** The rest of the journal, which the process has requested. */
  | { kind: 'journal'; run: number; journal?: Journal; error?: CrossedError }
  /** Tells a process without a job to end. */
  | { kind: 'end' }

/** The entries of steps that must be stored together with the end of the run. */
interface Rest {
  rest?: Recorded
}

/** How the handler ended. */
export type HandlerEnd =
  /**
   * `flag`: `handle` returned true or false. `text`: the result as JSON, in the form in which it is stored.
   */
  | ({ kind: 'returned'; flag?: boolean; text?: string } & Rest)
  | ({ kind: 'threw'; error: CrossedError; decision?: CrossedDecision } & Rest)
  | ({ kind: 'suspended'; outcome: Outcome & { kind: 'suspended' } } & Rest)
  /** The end of a run that undoes steps. */
  | ({ kind: 'undone'; found: CrossedUndone } & Rest)

/** The decision of a job about its own run. The error itself is sent separately. */
export type CrossedDecision = WithoutError<Decision>
type WithoutError<D> = D extends unknown ? Omit<D, 'error'> : never

export type CrossedUndone =
  | { kind: 'undone' }
  | { kind: 'later'; in: number }
  | { kind: 'failed'; steps: string[]; error: CrossedError }

export type Report =
  /**
   * The process has loaded its classes. `unknown`: for each class that could not be loaded, the reason, by
   * key.
   */
  | { kind: 'ready'; unknown: Record<string, string> }
  /** The job begins. If the process ends before this message, the job cannot be the cause. */
  | { kind: 'began' }
  /** The process cannot run any job, and ends. */
  | { kind: 'refused'; why: string }
  | { kind: 'wrote'; level: LogLevel; text: string }
  | { kind: 'reported'; progress: string }
  /** Entries of steps to store. `heard`: how many signals the run knows, if it requests newer signals. */
  | { kind: 'recorded'; steps?: Recorded; heard?: number }
  /** Reports how long the earlier runs of the attempt took, in milliseconds. */
  | { kind: 'spent'; ms: number }
  /** Requests the rest of the journal. */
  | { kind: 'more'; from: number }
  | HandlerEnd

/** The content of a message of Lark. Undefined for a message of the application. */
export function larkMessage<T extends Order | Report>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}
