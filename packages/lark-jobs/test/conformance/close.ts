/** How a handle on a store is opened and closed, and what its calls do after that. */
import { expect, test } from 'vitest'
import type { Make } from './harness.ts'
import { job } from './jobs.ts'

export function close(make: Make): void {
  test('to open a handle again is cheap and returns the same warnings', async () => {
    await using harness = await make()
    await harness.caller().enqueue(job())
    expect(await harness.store.open()).toEqual(await harness.store.open())
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1 })
  })

  test('a handle can be closed twice', async () => {
    await using harness = await make()
    await harness.store.close()
    await harness.store.close()
    await harness.store[Symbol.asyncDispose]()
  })

  test('the verbs of a closed handle reject', async () => {
    await using harness = await make()
    const { store } = harness
    await store.close()
    const call = { caller: 'ada', number: 1 }
    await expect(store.enqueue('emails', call, [job()])).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await expect(store.counts('emails')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  test('close ends the pending waits of the handle', async () => {
    await using harness = await make()
    await harness.caller('ada').claim()
    const wait = harness.store.wait('ada', 60_000)
    await harness.store.close()
    expect(await wait).toEqual([])
  })

  test('a store has a name that messages use', async () => {
    await using harness = await make()
    expect(harness.store.name).toMatch(/^(rediss?|valkeys?|sqlite)(\+\w+)?:/)
  })
}
