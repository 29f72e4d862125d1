/**
 * The protocol of Redis (RESP2): encodes commands as text, and parses replies from the bytes that come in.
 *
 * Lark has its own client, because a client library took more time for a call than all other code together.
 * The table shows the time of one round trip of our calls on loopback, and the time that a process needs to
 * load the client (medians of 15 in turns, two runs, 2 cores; each row ends with its unit):
 *
 *                                       this file   ioredis 6.0   node-redis 6.3
 *   enqueue of 100 jobs                  72 – 78     106 – 120     109 – 152  µs
 *   exchange: claims 200                 75 – 98      84 – 101     102 – 138  µs
 *   a script without arguments           29 – 42      39 – 45       49 – 64   µs
 *   loading, once                            0            34            52   ms
 *
 * Our client also writes a command immediately instead of at the end of the tick, so that the server works
 * while this process prepares the next command.
 */
import { Refusal, Unencodable, UnreadableReply } from './failure.ts'

/** The answer of a server. A list may contain refusals. */
export type Reply = string | number | null | Refusal | Reply[]

const CR = 13
const LF = 10
const COLON = 58
const DOLLAR = 36
const MINUS = 45
const PLUS = 43
const STAR = 42
const ZERO = 48

/** @throws Unencodable if the server would misread the command, or not answer it */
export function encodeCommand(command: readonly string[]): string {
  if (command.length === 0) throw new Unencodable('A command of Redis needs at least one word')
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

/** The largest reply, in bytes. Node allows no longer text, and a server by default no larger value. */
const MAX_REPLY = 512 * 1_024 * 1_024
/**
 * The longest list, in items. A server accepts so many items in one command. The scripts of Lark return lists
 * of a few thousand items at most.
 */
const MAX_LIST = 1_024 * 1_024
/** The deepest nesting of lists. The replies of Lark's scripts have four levels. */
const MAX_DEPTH = 8
/** The longest line (a status, an error, a number), in bytes. */
const MAX_LINE = 65_536

/** The result for an item whose bytes have not all arrived yet. */
const INCOMPLETE = Symbol()

/** A list whose items have not all been parsed yet. */
interface PartialList {
  list: Reply[]
  length: number
}

/**
 * Parses replies from chunks of bytes, which may end anywhere in a reply. Each byte is parsed only once: the
 * complete items of an incomplete list are kept, and the chunks of a long text are joined when all of them
 * have arrived. (A list of 100 MB in chunks of 64 KiB took 0.4 s with texts of 500 kB, and 2.2 s with texts
 * of 100 bytes. A parser that started over with every chunk had finished neither of the two after 20 s. 2
 * cores, shared, 2026-11-25.)
 *
 * @example
 * const replies = new Replies((reply) => console.log(reply))
 * socket.on('data', (chunk) => replies.feed(chunk))
 */
export class Replies {
  readonly #each: (reply: Reply) => void
  /**
   * The bytes of an incomplete item, the number of these bytes, and how many bytes must be there before
   * parsing is tried again.
   */
  #chunks: Buffer[] = []
  #size = 0
  #needed = 0
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** The incomplete lists, the outermost first, and how many bytes of the current reply have been read. */
  readonly #open: PartialList[] = []
  #read = 0

  constructor(each: (reply: Reply) => void) {
    this.#each = each
  }

  /**
   * @throws UnreadableReply if the bytes do not follow the protocol, or announce a reply that is larger than
   *   the limits in this file
   */
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
      else if (this.#read > MAX_REPLY) throw new UnreadableReply(`a reply is longer than ${MAX_REPLY} bytes`)
    }
    const rest = this.#bytes.subarray(whole)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#size = rest.length
    this.#needed = Math.max(0, this.#needed - whole)
  }

  /**
   * Adds an item to the innermost incomplete list. If there is no incomplete list, the item is a complete
   * reply.
   */
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

  /** @returns undefined if a list begins whose items are still to come */
  #item(): Reply | undefined | typeof INCOMPLETE {
    const type = this.#bytes[this.#at]
    const end = this.#bytes.indexOf(CR, this.#at + 1)
    if (end === -1 || end + 1 >= this.#bytes.length) {
      if (this.#bytes.length - this.#at > MAX_LINE)
        throw new UnreadableReply(`a line is longer than ${MAX_LINE} bytes`)
      return INCOMPLETE
    }
    if (this.#bytes[end + 1] !== LF) throw new UnreadableReply('a line does not end with CR and LF')
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
        throw new UnreadableReply(`no reply of Redis begins with byte ${type}`)
    }
  }

  #number(from: number, end: number): number {
    const isNegative = this.#bytes[from] === MINUS
    let at = isNegative ? from + 1 : from
    if (at >= end || end - at > 19) throw new UnreadableReply('a number has no digits, or too many')
    let number = 0
    for (; at < end; at++) {
      const digit = this.#bytes[at]! - ZERO
      if (digit < 0 || digit > 9) throw new UnreadableReply('a number has letters in it')
      number = number * 10 + digit
    }
    return isNegative ? -number : number
  }

  #text(length: number, from: number): string | null | typeof INCOMPLETE {
    if (length > MAX_REPLY) throw new UnreadableReply(`a text of ${length} bytes is longer than ${MAX_REPLY}`)
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
      throw new UnreadableReply('a text does not end where it says')
    this.#at = end + 2
    return this.#bytes.toString('utf8', from, end)
  }

  #list(length: number): Reply | undefined {
    if (length > MAX_LIST) throw new UnreadableReply(`a list of ${length} items is longer than ${MAX_LIST}`)
    if (length < 0) return null
    if (length === 0) return []
    if (this.#open.length === MAX_DEPTH) throw new UnreadableReply(`lists are more than ${MAX_DEPTH} deep`)
    this.#open.push({ list: [], length })
    return undefined
  }
}
