import { expect, test } from 'vitest'
import type { Middleware, MiddlewareJob } from '../../src/index.ts'
import { through } from '../../src/run/middleware/through.ts'
import { signal } from '../working/bench.ts'

const job = {} as MiddlewareJob
const run = (chain: Middleware[], handle: () => unknown) => through(chain, job, handle)

test('the first middleware is the outermost one, and each middleware passes on the result', async () => {
  const steps: string[] = []
  const step =
    (name: string): Middleware =>
    async (_, next) => {
      steps.push(`${name} in`)
      const value = await next()
      steps.push(`${name} out`)
      return `${name}(${value})`
    }
  expect(await run([step('a'), step('b')], () => steps.push('handle'))).toBe('a(b(3))')
  expect(steps).toEqual(['a in', 'b in', 'handle', 'b out', 'a out'])
})

test('a middleware that returns nothing passes on the result, and a middleware that does not call next() skips the rest', async () => {
  const quiet: Middleware = async (_, next) => {
    await next()
  }
  expect(await run([quiet], () => false)).toBe(false)
  expect(await run([quiet, () => 'instead'], () => expect.unreachable())).toBe('instead')
  expect(await run([() => {}], () => expect.unreachable())).toBeUndefined()
})

test('an error reaches the caller, unless a middleware catches it', async () => {
  const fails = () => {
    throw new Error('no')
  }
  await expect(run([(_, next) => next()], fails)).rejects.toThrow('no')
  await expect(run([fails], () => expect.unreachable())).rejects.toThrow('no')
  const catches: Middleware = (_, next) => next().catch(() => 'caught')
  const swallows: Middleware = async (_, next) => {
    await next().catch(() => {})
  }
  expect(await run([catches], fails)).toBe('caught')
  expect(await run([swallows], fails)).toBeUndefined()
})

test('the run waits for a next() that a middleware does not await, and its outcome counts', async () => {
  const go = signal()
  const steps: string[] = []
  const handle = async () => {
    await go.promise
    steps.push('handled')
    throw new Error('late')
  }
  const forgets: Middleware = (_, next) => {
    void next()
  }
  const throws: Middleware = (_, next) => {
    void next()
    throw new Error('early')
  }
  const first = expect(run([forgets], handle)).rejects.toThrow('late')
  const second = expect(run([throws], handle)).rejects.toThrow('early')
  go.resolve()
  await first
  await second
  expect(steps).toEqual(['handled', 'handled'])
})

test('next() runs the rest only once, and not after the end of the run', async () => {
  let runs = 0
  const twice: Middleware = async function eager(_, next) {
    await next()
    await next()
  }
  await expect(run([twice], () => runs++)).rejects.toMatchObject({
    code: 'NEXT_MISUSED',
    message: 'The middleware eager called next() twice',
  })
  expect(runs).toBe(1)
  let later: (() => Promise<unknown>) | undefined
  const keeps: Middleware[] = [
    (_, next) => {
      later = next
    },
  ]
  await run(keeps, () => runs++)
  await expect(later!()).rejects.toMatchObject({
    code: 'NEXT_MISUSED',
    message: 'A middleware called next() after it had ended',
  })
  expect(runs).toBe(1)
})
