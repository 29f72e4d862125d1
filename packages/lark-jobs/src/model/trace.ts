/**
 * The trace of a dispatch. It travels with its jobs, so that their runs can name where they come from: what
 * the application's propagator writes, such as `traceparent`, `tracestate` and `baggage`. Lark does not look
 * into it.
 */
export type Trace = Readonly<Record<string, string>>

/** A job, as far as it concerns its trace. */
interface Traceable {
  options?: { trace?: Trace }
}

/** Bytes, about. It is small, like a context, because it travels with every job. */
export const MAX_TRACE = 4_096

/** Gives jobs a trace. Jobs without other options share one object. */
export function giveTrace(jobs: readonly Traceable[], trace: Trace | undefined): void {
  if (trace === undefined) return
  const alone = { trace }
  for (const job of jobs) job.options = job.options === undefined ? alone : { ...job.options, trace }
}

/** A job with a trace, which may be of many jobs. */
export function traced<J extends Traceable>(job: J, trace: Trace | undefined): J {
  return trace === undefined ? job : { ...job, options: { ...job.options, trace } }
}

/** The trace in a record, which may have anything in this place; undefined if that is none. */
export function readTrace(value: unknown): Trace | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const texts = Object.entries(value).filter(([, text]) => typeof text === 'string') as [string, string][]
  return texts.length === 0 || lengthOf(texts) > MAX_TRACE ? undefined : Object.fromEntries(texts)
}

export function lengthOf(texts: readonly (readonly [string, string])[]): number {
  return texts.reduce((sum, [name, text]) => sum + name.length + text.length, 0)
}
