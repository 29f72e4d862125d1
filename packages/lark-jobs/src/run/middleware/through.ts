/**
 * Runs a chain of middleware and `handle`.
 */
import { JobsError } from '../../model/errors.ts'
import type { Middleware, MiddlewareJob } from '../../options/middleware.ts'

/**
 * Runs a chain. The first middleware is the outermost.
 *
 * If a middleware calls `next()` and does not await its promise, the run still awaits it, and uses the value
 * of `next()` if the middleware returned nothing.
 *
 * @param handle the end of the chain
 * @throws the error that the chain threw; NEXT_MISUSED
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
    // The middleware threw while the rest of the chain was still running: the rest must end first.
    if (rest !== undefined && !isThrough) await awaited(rest).catch(() => {})
  }
}

/** Marks the rejection of a promise as handled, whether or not the promise is awaited. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function misused(middleware: Middleware, did: string): JobsError {
  const name = middleware.name === '' ? 'A middleware' : `The middleware ${middleware.name}`
  return new JobsError('NEXT_MISUSED', `${name} ${did}`, { hint: 'next() runs the rest of one run, once.' })
}
