/** No message repeats a text from outside that is far too long. */
import { LarkError } from '@s18i/lark/internal'
import { afterAll, expect, test } from 'vitest'
import { FlowProducer, Queue, Worker } from '../src/index.ts'

const place = { connection: 'sqlite::memory:' }
const flows = new FlowProducer(place)
const long = ['a', '\u001b', ' ', '"', '\u{1f600}'].map((letter) => letter.repeat(1_000_000))

afterAll(() => flows.close())

test.each<[string, (text: string) => unknown]>([
  ['a queue', (text) => new Queue(text, place)],
  ['a worker', (text) => new Worker(text, async () => {}, place)],
  ['an option', (text) => new Queue('long', { ...place, [text]: 1 } as never)],
  ['the prefix of a flow', (text) => flows.add({ name: 'a', queueName: 'default', prefix: text })],
  ['the name of a job of a flow', (text) => flows.add({ name: text, queueName: 'default' })],
])('%s', async (_, call) => {
  for (const text of long) {
    const error = await Promise.resolve(text)
      .then(call)
      .catch((thrown: unknown) => thrown)
    if (!LarkError.is(error)) throw new Error('it was not refused', { cause: error })
    expect(error.message.length).toBeLessThan(1_500)
    expect(error.hint?.length ?? 0).toBeLessThan(1_500)
  }
})
