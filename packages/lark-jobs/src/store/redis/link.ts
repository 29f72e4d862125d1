/**
 * One connection to a server, from dialled to lost. No link keeps the process alive: whoever waits for an answer
 * holds a timer that does. How commands and replies are written is in `wire.ts`.
 *
 * Of commands that are sent in one tick, the first goes at once, the others together at the end of the tick.
 */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { withoutPassword } from '../secret.ts'
import { type Address, nameOf } from './address.ts'
import { Refusal, Unsent } from './failure.ts'
import { encodeCommand, Replies, type Reply } from './wire.ts'

export interface Link {
  /** @throws Refusal, Unsent, Unencodable, or whatever ended the link before the answer came */
  send(command: readonly string[]): Promise<unknown>
  subscribe(channel: string, hear: (message: string) => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Answers that are still to come. */
  readonly pending: number
  /** When the server last said something, by `performance.now()`. */
  readonly heardAt: number
  /** Resolves with the reason when the link has ended. */
  readonly lost: Promise<unknown>
  /** Ends it when the answers that are under way have come. */
  retire(): void
  /** Ends it now. */
  destroy(reason: unknown): void
}

interface Waiting {
  resolve: (reply: Reply) => void
  reject: (error: unknown) => void
}

/**
 * @param timeout milliseconds for all of it, where the address names no other: a server that accepts connections and says
 * nothing counts as none
 * @param signal gives it up
 * @throws Refusal when the server does not want us, or whatever went wrong
 */
export async function dial(address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
  const link = new SocketLink(open(address))
  const timer = setTimeout(
    () => link.destroy(new Error(`connect ETIMEDOUT ${nameOf(address)}`)),
    address.connectTimeout ?? timeout,
  ).unref()
  const abort = () => link.destroy(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    const greeted = greetings(address).map((command) => link.send(command))
    address.client?.introduce(link)
    await Promise.all([...greeted, link.send(['PING'])])
    return link
  } catch (error) {
    const { password = '' } = address
    const shown = error instanceof Refusal ? new Refusal(withoutPassword(error.message, password)) : error
    link.destroy(shown)
    throw shown
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

function open({ host, port, path, tls, family }: Address): Socket {
  const place = path === undefined ? { host, port, ...(family !== undefined && { family }) } : { path }
  if (!tls) return connect(place)
  // An IP address is no name that a server could be asked for; the certificate is held to it all the same.
  const named = isIP(host) === 0 ? { servername: host } : {}
  return connectSecurely({ ...place, ...named, ...(typeof tls === 'object' && tls) })
}

/**
 * Sent as soon as the socket is there, and in this order. A user who is named logs in, without a password too: else the
 * connection would be that of `default`, who may have all rights.
 */
function greetings({ username, password, database }: Address): string[][] {
  return [
    ...(username === undefined ? [] : [['AUTH', username, password ?? '']]),
    ...(username === undefined && password !== undefined ? [['AUTH', password]] : []),
    ...(database === 0 ? [] : [['SELECT', String(database)]]),
  ]
}

class SocketLink implements Link {
  readonly lost: Promise<unknown>
  heardAt = performance.now()
  readonly #socket: Socket
  /** Whose answers are still to come, those before `#next` have come. */
  #waiting: Waiting[] = []
  #next = 0
  readonly #ears = new Map<string, (message: string) => void>()
  /** It has subscribed: messages may come at any time, also on their way when the last ear is gone. */
  #isSubscriber = false
  #isCorked = false
  #isRetired = false
  #hasEnded = false
  #end!: (reason: unknown) => void

  constructor(socket: Socket) {
    this.lost = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#socket = socket
    const replies = new Replies((reply) => this.#answer(reply))
    socket.setNoDelay(true).setKeepAlive(true, 30_000).unref()
    socket.on('data', (chunk: Buffer) => {
      this.heardAt = performance.now()
      try {
        replies.feed(chunk)
      } catch (error) {
        this.destroy(error)
      }
    })
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy(new Error('the connection was closed')))
  }

  get pending(): number {
    return this.#waiting.length - this.#next
  }

  send(command: readonly string[]): Promise<Reply> {
    if (this.#hasEnded || this.#socket.writableEnded) return Promise.reject(new Unsent())
    return new Promise((resolve, reject) => {
      // First: a command that cannot be written has no answer, and its waiter would take that of the next one.
      const text = encodeCommand(command)
      this.#waiting.push({ resolve, reject })
      this.#socket.write(text)
      if (this.#isCorked) return
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    })
  }

  async subscribe(channel: string, hear: (message: string) => void): Promise<void> {
    this.#ears.set(channel, hear)
    this.#isSubscriber = true
    await this.send(['SUBSCRIBE', channel])
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#ears.delete(channel)
    await this.send(['UNSUBSCRIBE', channel])
  }

  retire(): void {
    this.#isRetired = true
    this.#leaveIfDone()
  }

  destroy(reason: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#socket.destroy()
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = []
    this.#next = 0
    for (const { reject } of waiting) reject(reason)
    this.#end(reason)
  }

  #answer(reply: Reply): void {
    if (this.#hasEnded) return
    if (this.#isSubscriber && Array.isArray(reply) && reply[0] === 'message') {
      this.#ears.get(reply[1] as string)?.(reply[2] as string)
      return
    }
    const waiting = this.#waiting[this.#next++]
    if (waiting === undefined) {
      this.destroy(new Error('an answer that nobody asked for'))
      return
    }
    // The list is kept short, but not moved for every answer.
    if (this.#next === this.#waiting.length || this.#next === 1_000) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    if (reply instanceof Refusal) waiting.reject(reply)
    else waiting.resolve(reply)
    this.#leaveIfDone()
  }

  #leaveIfDone(): void {
    if (this.#isRetired && this.pending === 0) this.destroy(new Error('the connection was given up'))
  }
}
