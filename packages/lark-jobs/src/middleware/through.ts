/**
 * The way of one run through its middleware to `handle`, and back.
 */
import { JobsError } from '../errors.ts'
import type { Middleware, MiddlewareJob } from './middleware.ts'

/**
 * Runs a chain, the first one outermost.
 *
 * The run is over when everything in it is, also what a middleware began with `next()` and did not wait for: then it
 * is taken for what it began.
 *
 * @param handle the end of the chain
 * @throws what the chain threw; NEXT_MISUSED
 */
export async function through(
  chain: readonly Middleware[],
  job: MiddlewareJob,
  handle: () => unknown,
  from = 0,
): Promise<unknown> {
  const middleware = chain[from]
  if (middleware === undefined) return handle()
  let isOver = false
  let rest: Promise<unknown> | undefined
  let passed: unknown
  let isThrough = false
  const next = async () => {
    if (rest !== undefined) throw misused(middleware, 'called next() twice')
    if (isOver) throw misused(middleware, 'called next() after it had ended')
    rest = through(chain, job, handle, from + 1)
    try {
      passed = await rest
      return passed
    } finally {
      isThrough = true
    }
  }
  try {
    const value = await middleware(job, () => awaited(next()))
    if (rest !== undefined && !isThrough) passed = await rest
    return value === undefined ? passed : value
  } finally {
    isOver = true
    // It threw while the rest still ran.
    if (rest !== undefined && !isThrough) await awaited(rest).catch(() => {})
  }
}

/** A promise whose rejection somebody sees to, whether or not it is awaited. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function misused(middleware: Middleware, did: string): JobsError {
  const name = middleware.name === '' ? 'A middleware' : `The middleware ${middleware.name}`
  return new JobsError('NEXT_MISUSED', `${name} ${did}`, { hint: 'It runs the rest of one run, once.' })
}
