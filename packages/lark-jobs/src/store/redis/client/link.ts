/**
 * One connection to a server, from dialled to lost. No link keeps the process alive: whoever waits for an answer
 * holds a timer that does. How commands and replies are written is in `wire.ts`.
 *
 * Of commands that are sent in one tick, the first goes at once, the others together at the end of the tick.
 */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { withoutPassword } from '../../../model/secret.ts'
import type { CredentialSource, Held } from '../../contract/credentials.ts'
import { type Address, nameOf } from './address.ts'
import { Refusal, Unsent } from './failure.ts'
import { encodeCommand, Replies, type Reply } from './wire.ts'

export interface Link {
  /** @throws Refusal, Unsent, Unencodable, or whatever ended the link before the answer came */
  send(command: readonly string[]): Promise<unknown>
  /** @param missed called when a message may have been missed */
  subscribe(channel: string, hear: (message: string) => void, missed?: () => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /**
   * Logs in anew.
   * @throws Refusal: it stays who it was; or whatever ended the link
   */
  authenticate(username: string | undefined, password: string): Promise<void>
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
  /** If this comes, it is the answer to the next command, and there is none to this one. */
  witness?: string | undefined
}

/**
 * @param timeout milliseconds for all of it, where the address names no other: a server that accepts connections and says
 * nothing counts as none
 * @param signal gives it up
 * @throws Refusal when the server does not want us, or whatever went wrong
 */
export async function dial(address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
  const { credentials } = address
  if (credentials === undefined) return greet(new SocketLink(open(address)), address, timeout, signal)
  for (let isAgain = false; ; isAgain = true) {
    const { number, username, password } = await credentials.current()
    signal.throwIfAborted()
    const link = new SocketLink(open(address))
    // From now on: they may be replaced before the server has answered.
    void link.lost.then(credentials.follow((next) => void logInAgain(link, credentials, next)))
    try {
      await greet(
        link,
        { ...address, ...(username !== undefined && { username }), password },
        timeout,
        signal,
      )
      credentials.accepted()
      return link
    } catch (error) {
      if (!(error instanceof Refusal) || error.word !== 'WRONGPASS') throw error
      credentials.refused(number)
      // No refusal to the callers: what is given next may be right.
      if (isAgain) throw new Error(`the server refuses what credentials() returned: ${error.message}`)
    }
  }
}

async function logInAgain(link: Link, credentials: CredentialSource, next: Held): Promise<void> {
  try {
    await link.authenticate(next.username, next.password)
    credentials.accepted()
  } catch (error) {
    // The link is good for as long as the server lets it be, and they are asked for again.
    if (error instanceof Refusal) credentials.refused(next.number)
  }
}

/** Says who we are. Destroys the link if that fails. */
async function greet(link: Link, address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
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
    ...(username === undefined && password === undefined ? [] : [login(username, password)]),
    ...(database === 0 ? [] : [['SELECT', String(database)]]),
  ]
}

function login(username: string | undefined, password = ''): string[] {
  return username === undefined ? ['AUTH', password] : ['AUTH', username, password]
}

/** Who hears a channel. */
interface Ear {
  hear: (message: string) => void
  missed: () => void
}

/** How often links of this process have logged in anew. */
let logins = 0

class SocketLink implements Link {
  readonly lost: Promise<unknown>
  heardAt = performance.now()
  readonly #socket: Socket
  /** Whose answers are still to come, those before `#next` have come. */
  #waiting: Waiting[] = []
  #next = 0
  readonly #ears = new Map<string, Ear>()
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

  send(command: readonly string[], witness?: string): Promise<Reply> {
    if (this.#hasEnded || this.#socket.writableEnded) return Promise.reject(new Unsent())
    return new Promise((resolve, reject) => {
      // First: a command that cannot be written has no answer, and its waiter would take that of the next one.
      const text = encodeCommand(command)
      this.#waiting.push({ resolve, reject, witness })
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

  async subscribe(channel: string, hear: (message: string) => void, missed = () => {}): Promise<void> {
    this.#ears.set(channel, { hear, missed })
    this.#isSubscriber = true
    try {
      await this.send(['SUBSCRIBE', channel])
    } catch (error) {
      // A login would subscribe to it again, be refused again, and end the link.
      this.#ears.delete(channel)
      throw error
    }
  }

  /**
   * A link that has subscribed may not log in (in RESP2). So it leaves its channels, logs in, and comes back: in one
   * write, which the server carries out at a stretch, unless it asks somebody else about the login.
   *
   * Redis does not answer a login that it refuses while it has answers that are not sent yet (seen with 8.0.2). Each
   * later answer would go to the wrong call. So a word is sent behind it that comes back.
   */
  async authenticate(username: string | undefined, password: string): Promise<void> {
    const ears = [...this.#ears]
    const left = ears.map(([channel]) => this.send(['UNSUBSCRIBE', channel]))
    const witness = `login ${++logins}`
    const admitted = this.send(login(username, password), witness)
    const seen = this.send(['PING', witness])
    const back = Promise.all(ears.map(([channel]) => this.send(['SUBSCRIBE', channel])))
    const isBack = back.then(
      () => {
        for (const [, { missed }] of ears) missed()
      },
      (error) => this.destroy(error),
    )
    await Promise.all([...left, admitted, seen, isBack])
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
      this.#ears.get(reply[1] as string)?.hear(reply[2] as string)
      return
    }
    const waiting = this.#waiting[this.#next++]
    if (waiting === undefined) {
      this.destroy(new Error('an answer that nobody asked for'))
      return
    }
    if (waiting.witness !== undefined && reply === waiting.witness) {
      waiting.reject(new Refusal('WRONGPASS the server did not say why'))
      this.#answer(reply)
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
