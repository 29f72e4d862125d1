import { createServer } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { Refusal } from '../../src/store/redis/client/failure.ts'
import { encodeCommand, Replies, type Reply } from '../../src/store/redis/client/wire.ts'
import { Random } from '../conformance/random.ts'

/** Returns the replies that are read if the bytes arrive in pieces of `size` bytes. */
function read(text: string, size = Number.POSITIVE_INFINITY): Reply[] {
  const found: Reply[] = []
  const replies = new Replies((reply) => found.push(reply))
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) replies.feed(bytes.subarray(at, at + size))
  return found
}

test('a command is encoded as its words with their lengths in bytes', () => {
  expect(encodeCommand(['SET', 'k', 'é€😀', ''])).toBe(
    '*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\né€😀\r\n$0\r\n\r\n',
  )
})

describe('replies', () => {
  const stream = [
    '+OK\r\n',
    ':-12\r\n',
    '$-1\r\n',
    '*-1\r\n',
    '$0\r\n\r\n',
    '*0\r\n',
    '$9\r\né€😀\r\n',
    '$4\r\na\r\nb\r\n',
    '*3\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n+x\r\n',
    '-NOPERM this user may not\r\n',
    '*2\r\n-ERR one of many\r\n:2\r\n',
  ].join('')
  const meant = [
    'OK',
    -12,
    null,
    null,
    '',
    [],
    'é€😀',
    'a\r\nb',
    ['a', [1, null], 'x'],
    new Refusal('NOPERM this user may not'),
    [new Refusal('ERR one of many'), 2],
  ]

  test.each([1, 2, 3, 5, 7, 11, 64, 1_000])('are read correctly from pieces of %i bytes', (size) => {
    expect(read(stream, size)).toEqual(meant)
  })

  test('are returned one by one, as soon as each reply is complete', () => {
    const found: Reply[] = []
    const replies = new Replies((reply) => found.push(reply))
    replies.feed(Buffer.from('+a\r\n+b\r'))
    expect(found).toEqual(['a'])
    replies.feed(Buffer.from('\n$2\r\nc'))
    expect(found).toEqual(['a', 'b'])
    replies.feed(Buffer.from('d\r\n'))
    expect(found).toEqual(['a', 'b', 'cd'])
  })

  test('with a long text in many pieces join the pieces only once', () => {
    const text = 'é'.repeat(1_000_000)
    expect(read(`$${Buffer.byteLength(text)}\r\n${text}\r\n:1\r\n`, 65_536)).toEqual([text, 1])
  })

  test.each([1, 2, 3, 4])('are read correctly from random pieces and from single bytes, seed %i', (seed) => {
    const random = new Random(seed)
    const replies = Array.from({ length: 8 }, () => chanceReply(random, 0))
    const bytes = Buffer.from(replies.map(encodeReply).join(''))
    const readPieces = (pieces: Buffer[]) => {
      const found: Reply[] = []
      const reader = new Replies((reply) => found.push(reply))
      for (const piece of pieces) reader.feed(piece)
      return found
    }
    for (let at = 0; at <= bytes.length; at++) {
      const found = readPieces([bytes.subarray(0, at), bytes.subarray(at)])
      if (JSON.stringify(found) !== JSON.stringify(replies)) expect(found, `cut at ${at}`).toEqual(replies)
    }
    for (let round = 0; round < 50; round++) {
      const pieces: Buffer[] = []
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random.below(40)
        pieces.push(bytes.subarray(at, end))
        at = end
      }
      expect(readPieces(pieces)).toEqual(replies)
    }
  })

  test.each([
    ['a text that comes in 2,000 pieces', `$2000000\r\n${'x'.repeat(2_000_000)}\r\n`],
    ['a list of 20,000 texts', `*20000\r\n${`$95\r\n${'x'.repeat(95)}\r\n`.repeat(20_000)}`],
    ['lists within lists', `*1000\r\n${`*20\r\n${`$95\r\n${'x'.repeat(95)}\r\n`.repeat(20)}`.repeat(1_000)}`],
  ])('%s: each byte is copied only a few times', (_, text) => {
    const concat = vi.spyOn(Buffer, 'concat')
    try {
      expect(read(text, 1_000)).toHaveLength(1)
      const copied = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0)
      expect(copied).toBeLessThan(3 * text.length)
    } finally {
      concat.mockRestore()
    }
  })
})

/** A random reply with every type of item. */
function chanceReply(random: Random, depth: number): Reply {
  switch (random.below(depth < 4 ? 8 : 5)) {
    case 0:
      return random.pick(['', 'a', 'é€😀', '\r\n', '$3\r\nfoo\r\n', 'x'.repeat(200)])!
    case 1:
      return random.below(2 ** 31) - 2 ** 30
    case 2:
      return null
    case 3:
      return new Refusal('ERR no')
    case 4:
      return 'OK'
    default:
      return Array.from({ length: random.below(5) }, () => chanceReply(random, depth + 1))
  }
}

function encodeReply(reply: Reply): string {
  if (reply === null) return '$-1\r\n'
  if (typeof reply === 'number') return `:${reply}\r\n`
  if (reply instanceof Refusal) return `-${reply.message}\r\n`
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encodeReply).join('')}`
  return reply === 'OK' ? '+OK\r\n' : `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`
}

/** Replies that no Redis server sends, or that are too large. */
const unreadable: [text: string, why: string][] = [
  ['HTTP/1.1 400 Bad Request\r\n', 'no reply of Redis begins with byte 72'],
  ['$536870913\r\n', 'a text of 536870913 bytes is longer than 536870912'],
  ['$9223372036854775807\r\n', 'is longer than 536870912'],
  ['*1048577\r\n', 'a list of 1048577 items is longer than 1048576'],
  ['*1\r\n'.repeat(9), 'lists are more than 8 deep'],
  [`*3\r\n:1\r\n*1048576\r\n$999999999\r\n`, 'is longer than'],
  ['$abc\r\n', 'a number has letters in it'],
  ['$\r\n', 'a number has no digits'],
  ['*-\r\n', 'a number has no digits'],
  [':1.5\r\n', 'a number has letters in it'],
  [`:${'9'.repeat(20)}\r\n`, 'too many'],
  ['+OK\rX', 'a line does not end with CR and LF'],
  ['$3\r\nabcdef\r\n', 'a text does not end where it says'],
  ['+'.padEnd(65_538, 'x'), 'a line is longer than 65536 bytes'],
]

describe('unreadable replies', () => {
  test.each(unreadable.map(([text, why]) => [why, text]))('%s', (why, text) => {
    for (const size of [1, 3, Number.POSITIVE_INFINITY]) expect(() => read(text, size)).toThrow(why)
  })

  test('a reply that never ends is refused when the sum of its parts is too long', () => {
    const replies = new Replies(() => {})
    const piece = Buffer.from(`$8388608\r\n${'x'.repeat(8_388_608)}\r\n`)
    replies.feed(Buffer.from('*1000\r\n'))
    expect(() => {
      for (let i = 0; i < 65; i++) replies.feed(piece)
    }).toThrow('a reply is longer than 536870912 bytes')
  })

  test('an unreadable reply ends the connection: the call fails, and the next call gets a new connection', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.on('error', () => {})
      socket.on('data', (heard) => {
        socket.write(String(heard).includes('PING') ? '+PONG\r\n' : '*1000000000\r\n')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const connection = new Connection({ host: '127.0.0.1', port, database: 0 })
    await expect(connection.send(['GET', 'x'])).rejects.toMatchObject({
      code: 'STORE_UNCERTAIN',
      message: expect.stringContaining('a list of 1000000000 items is longer'),
      cause: { name: 'Unreadable' },
    })
    expect(await connection.send(['PING'])).toBe('PONG')
    expect(connections).toBe(2)
    connection.close()
    server.close()
  })
})
