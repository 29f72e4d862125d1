import { expect, test } from 'vitest'
import { context, Job, withContext } from '../../src/index.ts'

class QuietJob extends Job {
  async handle() {
    return context()
  }
}

test('a process without a context pays nothing: the first context makes the AsyncLocalStorage', async () => {
  const shared = (globalThis as { [slot: symbol]: { storage?: unknown } })[Symbol.for('s18i.lark.context')]
  expect(await new QuietJob().dispatchNow()).toBeUndefined()
  expect(context()).toBeUndefined()
  expect(shared?.storage).toBeUndefined()
  withContext({}, () => {})
  expect(shared?.storage).toBeDefined()
})

test('a nested context has the values of both contexts, and ends when its function ends', async () => {
  const values = { user: { id: 7 } }
  const seen = await withContext(values, async () => {
    values.user.id = 8
    await null
    const inner = withContext({ requestId: 'r2' }, () => context<{ requestId: string }>()?.requestId)
    return [context(), inner, withContext({ user: null, a: undefined }, () => context())]
  })
  expect(seen).toEqual([{ user: { id: 7 } }, 'r2', { user: null }])
  expect(context()).toBeUndefined()
  expect(() => withContext({ a: 1 }, () => Object.assign(context()!, { a: 2 }))).toThrow('read only')
})

test.each<[unknown, string]>([
  ['r1', 'CONTEXT_NOT_JSON: withContext(): context is a string; it must be an object'],
  [['r1'], 'CONTEXT_NOT_JSON: withContext(): context is a list; it must be an object'],
  [null, 'CONTEXT_NOT_JSON: withContext(): context is null; it must be an object'],
  [{ at: new Date() }, 'CONTEXT_NOT_JSON: withContext(): context.at is a Date'],
  [{ a: { b: () => {} } }, 'CONTEXT_NOT_JSON: withContext(): context.a.b is a function'],
  [
    { text: 'x'.repeat(4_096) },
    'CONTEXT_TOO_LARGE: withContext(): the context has 4107 bytes, the limit is 4096',
  ],
])('%o is refused', (values, message) => {
  const act = () => withContext(values as object, () => expect.unreachable())
  expect(act).toThrow()
  try {
    act()
  } catch (error) {
    const { code, message: text } = error as Error & { code: string }
    expect(`${code}: ${text}`).toBe(message)
  }
})
