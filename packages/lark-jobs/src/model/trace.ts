/**
 * The trace of a dispatch: the fields that the application's propagator writes, such as `traceparent`,
 * `tracestate` and `baggage`. The trace is stored with the jobs, so that the spans of their runs can refer to
 * the dispatch. Lark does not read the content of a trace.
 */
export type Trace = Readonly<Record<string, string>>

/** The part of a job that has its trace. */
interface Traceable {
  options?: { trace?: Trace }
}

/**
 * The approximate maximum size of a trace, in bytes. The limit is low, like that of a context, because every
 * job of the dispatch has the trace.
 */
export const MAX_TRACE = 4_096

/** Adds a trace to jobs. Jobs without other options share one options object. */
export function giveTrace(jobs: readonly Traceable[], trace: Trace | undefined): void {
  if (trace === undefined) return
  const alone = { trace }
  for (const job of jobs) job.options = job.options === undefined ? alone : { ...job.options, trace }
}

/** Returns a job with a trace. Many jobs may share one trace. */
export function traced<J extends Traceable>(job: J, trace: Trace | undefined): J {
  return trace === undefined ? job : { ...job, options: { ...job.options, trace } }
}

/** Reads the trace in a record, where there may be any value. Undefined if the value is not a trace. */
export function readTrace(value: unknown): Trace | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const texts = Object.entries(value).filter(([, text]) => typeof text === 'string') as [string, string][]
  return texts.length === 0 || lengthOf(texts) > MAX_TRACE ? undefined : Object.fromEntries(texts)
}

export function lengthOf(texts: readonly (readonly [string, string])[]): number {
  return texts.reduce((sum, [name, text]) => sum + name.length + text.length, 0)
}
