import { describe, expect, test } from 'vitest'
import { Refusal } from '../../src/store/redis/failure.ts'
import { encodeCommand, Replies, type Reply } from '../../src/store/redis/wire.ts'

/** What comes out when the bytes are cut into pieces of so many. */
function read(text: string, size = Number.POSITIVE_INFINITY): Reply[] {
  const found: Reply[] = []
  const replies = new Replies((reply) => found.push(reply))
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) replies.feed(bytes.subarray(at, at + size))
  return found
}

test('a command is its words with their lengths in bytes', () => {
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

  test.each([1, 2, 3, 5, 7, 11, 64, 1_000])('are read whole out of pieces of %i bytes', (size) => {
    expect(read(stream, size)).toEqual(meant)
  })

  test('come one by one, as soon as each is whole', () => {
    const found: Reply[] = []
    const replies = new Replies((reply) => found.push(reply))
    replies.feed(Buffer.from('+a\r\n+b\r'))
    expect(found).toEqual(['a'])
    replies.feed(Buffer.from('\n$2\r\nc'))
    expect(found).toEqual(['a', 'b'])
    replies.feed(Buffer.from('d\r\n'))
    expect(found).toEqual(['a', 'b', 'cd'])
  })

  test('a long text in many pieces is put together once', () => {
    const text = 'é'.repeat(1_000_000)
    expect(read(`$${Buffer.byteLength(text)}\r\n${text}\r\n:1\r\n`, 65_536)).toEqual([text, 1])
  })

  test('what is no reply of Redis is refused', () => {
    expect(() => read('HTTP/1.1 400 Bad Request\r\n')).toThrow('no reply of Redis begins with byte 72')
  })
})
