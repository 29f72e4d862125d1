/** A listener to events of a store that does not answer can still end at once. */
import { expect, test } from 'vitest'
import { EventStream } from '../../src/operate/events/event-stream.ts'
import type { WatchedStore } from '../../src/operate/events/watcher.ts'

const never = new Promise<never>(() => {})

/** @param answers how many calls of `listen` are answered */
function storeThat(answers: number): WatchedStore {
  let left = answers
  const listen = () => {
    left -= 1
    return left < 0 ? never : Promise.resolve({ entries: [], position: '1.mark' })
  }
  const store = { isRemote: true, partitions: async () => [], listen }
  const watcher = { id: 'web', hear: () => () => {} }
  return { store, watcher, queues: new Map([['emails', 1]]) } as unknown as WatchedStore
}

test.each<[string, () => Promise<WatchedStore>]>([
  ['opened', () => never],
  ['listened to', async () => storeThat(0)],
  ['asked', async () => storeThat(1)],
])('a store that does not answer when it is %s', async (_, open) => {
  for (const end of [
    (_stream: EventStream, abort: AbortController) => abort.abort(),
    (stream: EventStream) => stream.return(),
  ]) {
    const abort = new AbortController()
    const stream = new EventStream(open, new AbortController().signal, { signal: abort.signal })
    const next = stream.next()
    await new Promise((resolve) => setImmediate(resolve))
    await end(stream, abort)
    expect(await next).toEqual({ done: true, value: undefined })
  }
})
