/** One connection: whatever happens to a command, each answer must go to the call of its command. */
import { describe, expect, inject, test } from 'vitest'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { dial } from '../../src/store/redis/client/link.ts'
import { Random } from '../conformance/random.ts'
import { newPrefix } from './place.ts'
import { addressOf } from './server.ts'
import { openStore } from './stores.ts'

const address = addressOf(inject('redisUrl'))
const never = new AbortController().signal

/** Values that are not texts. Node returns a length in bytes for some of them. */
const wrong: unknown[] = [
  undefined,
  null,
  7,
  0,
  Number.NaN,
  true,
  10n,
  Symbol('s'),
  ['x'],
  {},
  { toString: () => 'x' },
  () => 'x',
  Buffer.from('xyz'),
  new ArrayBuffer(5),
  new String('x'),
]

describe('a command that cannot be written', () => {
  test.each(wrong.map((word) => [typeof word, word]))(
    '%s is refused, and the next answer is right',
    async (_, word) => {
      const link = await dial(address, 2_000, never)
      const refused = link.send(['ECHO', word as string])
      const answers = Promise.all(['a', 'b'].map((text) => link.send(['ECHO', text])))
      await expect(refused).rejects.toMatchObject({
        name: 'Unencodable',
        code: 'ERR_INVALID_ARG_TYPE',
        message: expect.stringContaining('Word 2 of a ECHO command is'),
      })
      expect(await answers).toEqual(['a', 'b'])
      expect(link.pending).toBe(0)
      link.destroy(new Error('done'))
    },
  )

  test('a command without words is refused, because Redis does not answer it', async () => {
    const link = await dial(address, 2_000, never)
    await expect(link.send([])).rejects.toMatchObject({ name: 'Unencodable' })
    expect(await link.send(['ECHO', 'a'])).toBe('a')
    link.destroy(new Error('done'))
  })

  test('a command that cannot be encoded or built does not end the connection', async () => {
    const connection = new Connection(address)
    expect(await connection.send(['PING'])).toBe('PONG')
    const { link } = connection
    await expect(connection.send(['GET', undefined as never])).rejects.toMatchObject({ name: 'Unencodable' })
    const broken = () => {
      throw new Error('no words')
    }
    await expect(connection.send(broken)).rejects.toThrow('no words')
    await expect(connection.sendTogether([['PING'], ['GET', 7 as never]])).rejects.toMatchObject({
      name: 'Unencodable',
    })
    expect(await connection.sendTogether([['ECHO', 'a'], ['NONSENSE'], ['ECHO', 'b']])).toEqual([
      'a',
      expect.objectContaining({ name: 'Refusal' }),
      'b',
    ])
    expect(connection.link).toBe(link)
    connection.close()
  })
})

test.each([1, 2, 3])('each of many random commands gets its own answer, seed %i', async (seed) => {
  const random = new Random(seed)
  const connection = new Connection(address)
  const asked = Array.from({ length: 3_000 }, async (_, i) => {
    // The commands are spread over some hundred ticks, so that answers come while commands are written.
    for (let tick = random.below(5); tick > 0; tick--) await new Promise((resolve) => setImmediate(resolve))
    switch (random.below(4)) {
      case 0:
        return expect(
          connection.send(['ECHO', wrong[random.below(wrong.length)] as string]),
        ).rejects.toMatchObject({ name: 'Unencodable' })
      case 1:
        return expect(connection.send([`NONSENSE${i}`])).rejects.toThrow(`'NONSENSE${i}'`)
      default:
        return expect(await connection.send(['ECHO', `${i}`])).toBe(`${i}`)
    }
  })
  await Promise.all(asked)
  expect(connection.link?.pending).toBe(0)
  connection.close()
})

test('a message that arrives after the client has left the channel does not count as an answer', async () => {
  const listener = await dial(address, 2_000, never)
  const speaker = await dial(address, 2_000, never)
  for (let round = 0; round < 50; round++) {
    await listener.subscribe('link-test', () => {})
    const said = Promise.all(Array.from({ length: 20 }, () => speaker.send(['PUBLISH', 'link-test', 'x'])))
    await speaker.send(['PING'])
    await listener.unsubscribe('link-test')
    await said
  }
  expect(await listener.send(['PING'])).toBe('PONG')
  for (const link of [listener, speaker]) link.destroy(new Error('done'))
})

test('a store that gets an id that is not a text still answers all other calls', async () => {
  await using store = await openStore(inject('redisUrl'), { prefix: newPrefix() })
  const odd = wrong.map((id) => store.get('emails', id as string).then(String, (error) => error.name))
  const honest = Array.from({ length: 200 }, (_, i) => store.get('emails', `none-${i}`))
  expect(new Set(await Promise.all(odd))).toEqual(new Set(['Unencodable']))
  expect(new Set(await Promise.all(honest))).toEqual(new Set([undefined]))
})
