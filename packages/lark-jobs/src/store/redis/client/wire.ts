/**
 * The protocol of Redis (RESP2) in both directions: a command as text, and replies out of the bytes that come in.
 *
 * It is our own because a client library takes more time for a call than everything else together. Round trips of our
 * calls, one at a time on loopback, and the time that a process needs to load the code (medians of 15 in turns, two
 * runs, 2 cores; each row ends with its unit):
 *
 *                                       this file   ioredis 6.0   node-redis 6.3
 *   enqueue of 100 jobs                  72 – 78     106 – 120     109 – 152  µs
 *   exchange: claims 200                 75 – 98      84 – 101     102 – 138  µs
 *   a script without arguments           29 – 42      39 – 45       49 – 64   µs
 *   loading, once                            0            34            52   ms
 *
 * Our client also writes a command when it is sent, and not at the end of the tick: the server works while this process
 * prepares the next command.
 */
import { Refusal, Unencodable, Unreadable } from './failure.ts'

/** What a server answers. A refusal may also stand inside a list. */
export type Reply = string | number | null | Refusal | Reply[]

const CR = 13
const LF = 10
const COLON = 58
const DOLLAR = 36
const MINUS = 45
const PLUS = 43
const STAR = 42
const ZERO = 48

/** @throws Unencodable for what the server would read as something else, or not answer */
export function encodeCommand(command: readonly string[]): string {
  if (command.length === 0) throw new Unencodable('A command of Redis has one word at least')
  let text = `*${command.length}\r\n`
  for (const word of command) {
    if (typeof word !== 'string') throw unencodable(command)
    text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`
  }
  return text
}

function unencodable(command: readonly unknown[]): Unencodable {
  const at = command.findIndex((word) => typeof word !== 'string')
  const word = command[at]
  const type = word === null ? 'null' : Array.isArray(word) ? 'a list' : typeof word
  return new Unencodable(`Word ${at + 1} of a ${command[0]} command is ${type}; it must be a string`)
}

/** Bytes of one reply at most: no text in Node is longer, nor do servers keep a longer value by default. */
const MAX_REPLY = 512 * 1_024 * 1_024
/** Items of one list at most: as many as a server takes in a command. The longest list of ours has some thousand. */
const MAX_LIST = 1_024 * 1_024
/** Lists within lists at most. Those of our scripts have four. */
const MAX_DEPTH = 8
/** Bytes of a line at most: a status, an error, a number. */
const MAX_LINE = 65_536

/** More bytes are needed. */
const INCOMPLETE = Symbol()

/** A list of which not all items have come. */
interface Open {
  list: Reply[]
  length: number
}

/**
 * Replies out of chunks of bytes, however these are cut. Each byte is looked at once: what is whole of a list is kept,
 * and a long text is put together when all of it is there. (A list of 100 MB in chunks of 64 KiB: of texts of 500 kB
 * 0.4 s, of 100 bytes 2.2 s; read from its beginning with every chunk, neither was through after 20 s. 2 cores, shared,
 * 2026-11-25.)
 *
 * @example
 * const replies = new Replies((reply) => console.log(reply))
 * socket.on('data', (chunk) => replies.feed(chunk))
 */
export class Replies {
  readonly #each: (reply: Reply) => void
  /** What has not made a whole item yet, and how many bytes of it there must be before it is worth looking again. */
  #chunks: Buffer[] = []
  #size = 0
  #needed = 0
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** Lists that are under way, the outermost first, and how many bytes of them have been read. */
  readonly #open: Open[] = []
  #read = 0

  constructor(each: (reply: Reply) => void) {
    this.#each = each
  }

  /** @throws Unreadable when the bytes are not of this protocol, or say that a reply is larger than any of ours */
  feed(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return
    this.#bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size)
    this.#at = 0
    this.#needed = 0
    let whole = 0
    while (this.#at < this.#bytes.length) {
      const item = this.#item()
      if (item === INCOMPLETE) break
      this.#read += this.#at - whole
      whole = this.#at
      if (item !== undefined) this.#put(item)
      if (this.#open.length === 0) this.#read = 0
      else if (this.#read > MAX_REPLY) throw new Unreadable(`a reply is longer than ${MAX_REPLY} bytes`)
    }
    const rest = this.#bytes.subarray(whole)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    this.#needed = Math.max(0, this.#needed - whole)
  }

  /** Into the list that is under way, or out. */
  #put(item: Reply): void {
    for (let reply = item; ; ) {
      const open = this.#open.at(-1)
      if (open === undefined) return void this.#each(reply)
      open.list.push(reply)
      if (open.list.length < open.length) return
      this.#open.pop()
      reply = open.list
    }
  }

  /** @returns undefined for a list whose items are to come */
  #item(): Reply | undefined | typeof INCOMPLETE {
    const type = this.#bytes[this.#at]
    const end = this.#bytes.indexOf(CR, this.#at + 1)
    if (end === -1 || end + 1 >= this.#bytes.length) {
      if (this.#bytes.length - this.#at > MAX_LINE)
        throw new Unreadable(`a line is longer than ${MAX_LINE} bytes`)
      return INCOMPLETE
    }
    if (this.#bytes[end + 1] !== LF) throw new Unreadable('a line does not end with CR and LF')
    const from = this.#at + 1
    const next = end + 2
    switch (type) {
      case PLUS:
        this.#at = next
        return this.#bytes.toString('utf8', from, end)
      case MINUS:
        this.#at = next
        return new Refusal(this.#bytes.toString('utf8', from, end))
      case COLON:
        this.#at = next
        return this.#number(from, end)
      case DOLLAR:
        return this.#text(this.#number(from, end), next)
      case STAR:
        this.#at = next
        return this.#list(this.#number(from, end))
      default:
        throw new Unreadable(`no reply of Redis begins with byte ${type}`)
    }
  }

  #number(from: number, end: number): number {
    const isNegative = this.#bytes[from] === MINUS
    let at = isNegative ? from + 1 : from
    if (at >= end || end - at > 19) throw new Unreadable('a number has no digits, or too many')
    let number = 0
    for (; at < end; at++) {
      const digit = this.#bytes[at]! - ZERO
      if (digit < 0 || digit > 9) throw new Unreadable('a number has letters in it')
      number = number * 10 + digit
    }
    return isNegative ? -number : number
  }

  #text(length: number, from: number): string | null | typeof INCOMPLETE {
    if (length > MAX_REPLY) throw new Unreadable(`a text of ${length} bytes is longer than ${MAX_REPLY}`)
    if (length < 0) {
      this.#at = from
      return null
    }
    const end = from + length
    if (end + 2 > this.#bytes.length) {
      this.#needed = end + 2
      return INCOMPLETE
    }
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF)
      throw new Unreadable('a text does not end where it says')
    this.#at = end + 2
    return this.#bytes.toString('utf8', from, end)
  }

  #list(length: number): Reply | undefined {
    if (length > MAX_LIST) throw new Unreadable(`a list of ${length} items is longer than ${MAX_LIST}`)
    if (length < 0) return null
    if (length === 0) return []
    if (this.#open.length === MAX_DEPTH) throw new Unreadable(`lists are more than ${MAX_DEPTH} deep`)
    this.#open.push({ list: [], length })
    return undefined
  }
}
