/**
 * What is kept of an error with its job: short, and of whatever was thrown.
 */
import { JobsError } from '../errors.ts'
import type { JobError } from '../record.ts'

/** Characters of a stack kept with an error. */
const MAX_STACK = 4_000
/** Characters of a message kept with an error. */
const MAX_MESSAGE = 2_000
/** What the frames of this package have in them; in a bundle there is no such folder. */
const here = /^.*\/(?=worker\/job-error\.)/.exec(import.meta.url ?? '')?.[0] ?? 'node:internal'

/** @param run which one it was, from 1 @param ms what it took */
export function jobError(thrown: unknown, run: number, ms: number): JobError {
  const took = Number(ms.toFixed(1))
  try {
    if (!(thrown instanceof Error))
      return { run, name: 'Error', message: String(thrown).slice(0, MAX_MESSAGE), took }
    const { name, message, stack, code } = thrown as Error & { code?: unknown }
    return {
      run,
      name: String(name).slice(0, MAX_MESSAGE),
      message: String(message).slice(0, MAX_MESSAGE),
      ...(typeof code === 'string' && { code: code.slice(0, MAX_MESSAGE) }),
      ...(typeof stack === 'string' && !(thrown instanceof JobsError) && { stack: ownFrames(stack) }),
      took,
    }
  } catch {
    // A getter that throws, an object without a text: handlers may throw anything.
    return { run, name: 'Error', message: 'something was thrown that has no text', took }
  }
}

/** The stack without the frames of this package and of Node, which are the same for every job. */
function ownFrames(stack: string): string {
  const isOther = (line: string) =>
    /^ {4}at /.test(line) && (line.includes(here) || line.includes('node:internal'))
  const lines = stack.split('\n').filter((line) => !isOther(line))
  return lines.join('\n').slice(0, MAX_STACK)
}
