/**
 * Opening and closing a handle, and its calls after closing.
 */
import { expect, test } from 'vitest'
import type { Make } from './harness.ts'
import { job } from './jobs.ts'

export function close(make: Make): void {
  test('opening again is cheap and returns the same warnings', async () => {
    await using harness = await make()
    await harness.caller().enqueue(job())
    expect(await harness.store.open()).toEqual(await harness.store.open())
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1 })
  })

  test('closing twice is safe', async () => {
    await using harness = await make()
    await harness.store.close()
    await harness.store.close()
    await harness.store[Symbol.asyncDispose]()
  })

  test('verbs reject after close', async () => {
    await using harness = await make()
    const { store } = harness
    await store.close()
    const call = { caller: 'ada', number: 1 }
    await expect(store.enqueue('emails', call, [job()])).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await expect(store.counts('emails')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  test('close ends pending waits', async () => {
    await using harness = await make()
    await harness.caller('ada').claim()
    const wait = harness.store.wait('ada', 60_000)
    await harness.store.close()
    expect(await wait).toEqual([])
  })

  test('the store has a name for people', async () => {
    await using harness = await make()
    expect(harness.store.name).toMatch(/^(rediss?|valkeys?|sqlite)(\+\w+)?:/)
  })
}
