/**
 * What a worker and an isolated process say to each other, over the IPC channel between them. A process runs
 * one job at a time, so messages are about that job. `run` is its number, because an order may arrive after
 * the job has ended.
 *
 * The application uses the same channel (`process.send` in a job), so each message of Lark is under the key
 * `lark`, as for a supervisor.
 */
import type { Context } from '../model/context.ts'
import type { Journal, KeptSignal, Recorded } from '../model/journal.ts'
import type { ClaimedJob, LogLevel, Outcome } from '../model/record.ts'
import type { Decision } from '../model/run/decision.ts'
import type { Trace } from '../model/trace.ts'
import type { ClassMaker } from '../options/isolated.ts'
import type { CrossedError } from './crossed-error.ts'

/** What a process needs to know before its first job. */
export interface IsolationSetting {
  /** The isolated classes, and the files that export them. */
  classes: { key: string; file: string; maker?: ClassMaker | undefined }[]
  /** Whether the configuration has a function that makes jobs (`make`). */
  makes: boolean
  /** Whether the configuration has a function to call before the first job (`boot`). */
  boots: boolean
  /** Runs are traced. */
  traced: boolean
  /** The configuration, if it is given in code. */
  configure?: object | undefined
}

export type Order =
  /** `version`: of the worker. Beside a bundle, the program of the process may be of another release. */
  | ({ kind: 'begin'; version: string } & IsolationSetting)
  | {
      kind: 'run'
      run: number
      class: string
      job: ClaimedJob
      partition: string
      queue: string
      now: number
      /** The application's, as it is around `handle`. */
      context?: Context | undefined
      /** The context of the span of the run. */
      trace?: Trace | undefined
    }
  | { kind: 'abort'; run: number; reason: CrossedError }
  /** The store has answered the records of the steps. */
  | { kind: 'stored'; run: number; signals: readonly KeptSignal[]; lost?: CrossedError; known?: number }
  /** A signal has come for the job. */
  | { kind: 'signalled'; run: number }
  /** More of the journal, as the process asked. */
  | { kind: 'journal'; run: number; journal?: Journal; error?: CrossedError }
  /** The process must end. It has no job. */
  | { kind: 'end' }

/** Records of the steps that must be stored together with the end of the run. */
interface Rest {
  rest?: Recorded
}

/** How `handle` ended. */
export type HandlerEnd =
  /** `flag`: it returned true or false. `text`: JSON of the result, as it is stored. */
  | ({ kind: 'returned'; flag?: boolean; text?: string } & Rest)
  | ({ kind: 'threw'; error: CrossedError; decision?: CrossedDecision } & Rest)
  | ({ kind: 'suspended'; outcome: Outcome & { kind: 'suspended' } } & Rest)
  /** The end of a run that undoes steps. */
  | ({ kind: 'undone'; found: CrossedUndone } & Rest)

/** The job has decided about its run itself, by the error that was thrown. */
export type CrossedDecision = WithoutError<Decision>
type WithoutError<D> = D extends unknown ? Omit<D, 'error'> : never

export type CrossedUndone =
  | { kind: 'undone' }
  | { kind: 'later'; in: number }
  | { kind: 'failed'; steps: string[]; error: CrossedError }

export type Report =
  /** `unknown`: by key, why a class could not be loaded. */
  | { kind: 'ready'; unknown: Record<string, string> }
  /** A job begins: only from now on can it be the cause if the process ends. */
  | { kind: 'began' }
  /** The process cannot run anything, and ends. */
  | { kind: 'refused'; why: string }
  | { kind: 'wrote'; level: LogLevel; text: string }
  | { kind: 'reported'; progress: string }
  /** The records of the steps. `heard`: how many signals the run knows, if it asks for more. */
  | { kind: 'recorded'; steps?: Recorded; heard?: number }
  /** Earlier runs of the attempt took that many milliseconds. */
  | { kind: 'spent'; ms: number }
  /** Asks for more of the journal. */
  | { kind: 'more'; from: number }
  | HandlerEnd

/** The content of a message of Lark; undefined for a message of the application. */
export function larkMessage<T extends Order | Report>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}
