/**
 * One connection to a server, from its start to its loss. A link does not keep the process alive. The timer
 * of a caller that waits for an answer keeps the process alive. `wire.ts` encodes commands and parses
 * replies.
 *
 * The first command in a tick of the event loop is written to the socket at once. All further commands of
 * this tick are written together at its end.
 */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { defined } from '@s18i/lark/internal'
import { Deferred } from '../../../waiting/deferred.ts'
import { withoutPassword } from '../../../words/secret.ts'
import type { CredentialSource, CurrentCredentials } from '../../contract/connection/credentials.ts'
import { type Address, hostOf, nameOf } from './address.ts'
import { Refusal, Unsent } from './failure.ts'
import { encodeCommand, Replies, type Reply } from './wire.ts'

interface PendingReply {
  resolve: (reply: Reply) => void
  reject: (error: unknown) => void
  /**
   * The text with which the server will answer the next command. If this text arrives in place of the answer
   * to the present command, the server has not answered the present command.
   */
  witness?: string | undefined
}

/**
 * @param timeout milliseconds for the connection and the greeting together, unless the address has a
 *   `connectTimeout`. A server that accepts the connection but does not answer the greeting in time counts as
 *   unreachable
 * @param signal when it is aborted, the attempt to connect is given up
 * @throws Refusal if the server refuses the login, or the error of the connection
 */
export async function dial(address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
  const { credentials } = address
  if (credentials === undefined) return greet(new Link(open(address)), address, timeout, signal)
  for (let isAgain = false; ; isAgain = true) {
    const { number, username, password } = await credentials.current()
    const known = { ...address, ...defined({ username }), password }
    signal.throwIfAborted()
    const link = new Link(open(address))
    // New credentials may come before the server has answered the greeting, so the link follows new
    // credentials from now on.
    const server = nameOf(address)
    void link.lost.then(credentials.follow((next) => void logInAgain(link, server, credentials, next)))
    try {
      await greet(link, known, timeout, signal)
      credentials.accepted(server)
      return link
    } catch (error) {
      if (!(error instanceof Refusal) || error.word !== 'WRONGPASS') throw error
      credentials.refused(number, server)
      // If this were a Refusal, waiting calls would fail at once. With an ordinary error they go on waiting,
      // because the next credentials may be right.
      if (isAgain) throw new Error(`the server refuses what credentials() returned: ${error.message}`)
    }
  }
}

/**
 * Asks a server questions on a separate link, which is closed after the answers.
 *
 * @param patience the time limit for connecting, and again for the answer, in milliseconds
 * @param who the name of the server in errors
 */
export async function ask<T>(
  address: Address,
  patience: number,
  signal: AbortSignal,
  question: (link: Link) => Promise<T>,
  who = hostOf(address),
): Promise<T> {
  const link = await dial(address, patience, signal)
  return endIfLate(link, patience, `${who} did not answer`, question).finally(() => {
    link.destroy(new Error('it was asked'))
  })
}

/**
 * Waits for an answer of the server. If the answer takes longer than `ms` milliseconds, the link is ended,
 * and the wait rejects.
 */
export async function endIfLate<T>(
  link: Link,
  ms: number,
  late: string,
  question: (link: Link) => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => link.destroy(new Error(late)), ms).unref()
  try {
    return await question(link)
  } finally {
    clearTimeout(timer)
  }
}

async function logInAgain(
  link: Link,
  server: string,
  credentials: CredentialSource,
  next: CurrentCredentials,
): Promise<void> {
  try {
    await link.authenticate(next.username, next.password)
    credentials.accepted(server)
  } catch (error) {
    // The link stays logged in with its earlier credentials as long as the server permits this. `refused`
    // makes the source get new credentials.
    if (error instanceof Refusal) credentials.refused(next.number, server)
  }
}

/** Logs in, selects the database and waits for the answers. Destroys the link if this fails. */
async function greet(link: Link, address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
  const abort = () => link.destroy(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    await endIfLate(link, address.connectTimeout ?? timeout, `connect ETIMEDOUT ${nameOf(address)}`, () => {
      const greeted = greetings(address).map((command) => link.send(command))
      address.client?.introduce(link)
      return Promise.all([...greeted, link.send(['PING'])])
    })
    return link
  } catch (error) {
    const { password = '' } = address
    const shown = error instanceof Refusal ? new Refusal(withoutPassword(error.message, password)) : error
    link.destroy(shown)
    throw shown
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function open({ host, port, path, tls, family }: Address): Socket {
  const place = path === undefined ? defined({ host, port, family }) : { path }
  if (!tls) return connect(place)
  // TLS does not allow an IP address as a server name. Without a server name, the certificate is still
  // checked against the IP address.
  const named = isIP(host) === 0 ? { servername: host } : {}
  return connectSecurely({ ...place, ...named, ...(typeof tls === 'object' && tls) })
}

/**
 * The first commands on a link, in this order. A user with a name logs in even without a password: without a
 * login, the connection would have the permissions of the user `default`, which may be all permissions.
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

/** The functions that a subscriber to a channel has given. */
interface Ear {
  hear: (message: string) => void
  missed: () => void
}

/** How many times links of this process have logged in again. */
let logins = 0

export class Link {
  readonly #lost = new Deferred<unknown>()
  /** A promise that resolves with the reason when the link has ended. */
  readonly lost = this.#lost.promise
  /** When data last came from the server, by `performance.now()`. */
  heardAt = performance.now()
  /** When the last answer to a command came, by `performance.now()`. */
  answeredAt = performance.now()
  readonly #socket: Socket
  /** The commands that wait for their answers. The commands before index `#next` have been answered. */
  #waiting: PendingReply[] = []
  #next = 0
  readonly #subscription = new Map<string, Ear>()
  /**
   * Whether the link has ever subscribed to a channel. On such a link messages may come at any time, even
   * after the last `unsubscribe`.
   */
  #isSubscriber = false
  #isCorked = false
  #isRetired = false
  #hasEnded = false

  constructor(socket: Socket) {
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

  /** How many answers are still to come. */
  get pending(): number {
    return this.#waiting.length - this.#next
  }

  /**
   * @param witness see `PendingReply`
   * @throws Refusal, Unsent, Unencodable, or the reason why the link ended before the answer came
   */
  send(command: readonly string[], witness?: string): Promise<Reply> {
    if (this.#hasEnded || this.#socket.writableEnded) return Promise.reject(new Unsent())
    return new Promise((resolve, reject) => {
      // The command is encoded before it enters the list of waiting commands. A command in this list that was
      // never sent would get the answer to the next command.
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

  /** @param missed called when a message may have been lost */
  async subscribe(channel: string, hear: (message: string) => void, missed = () => {}): Promise<void> {
    this.#subscription.set(channel, { hear, missed })
    this.#isSubscriber = true
    try {
      await this.send(['SUBSCRIBE', channel])
    } catch (error) {
      // If the channel stayed in the list, the next login would subscribe to the channel again. The server
      // would refuse this, and the link would end.
      this.#subscription.delete(channel)
      throw error
    }
  }

  /**
   * Logs in again, with other credentials.
   *
   * In RESP2, a link that is subscribed to a channel may not log in. So the link leaves its channels, logs
   * in, and subscribes again. All of these commands are one write, so no message is lost between them, unless
   * the server must ask another service about the login.
   *
   * Redis does not answer a refused login while it has unsent answers (seen with 8.0.2). Without that answer,
   * each later answer would go to the wrong call. So a PING with a word follows the login, and the server
   * sends this word back. If the word comes in place of the answer to the login, the server has refused the
   * login.
   *
   * @throws Refusal if the server refuses the login (the link keeps its earlier user), or the reason why the
   *   link ended
   */
  async authenticate(username: string | undefined, password: string): Promise<void> {
    const subscription = [...this.#subscription]
    const left = subscription.map(([channel]) => this.send(['UNSUBSCRIBE', channel]))
    const witness = `login ${++logins}`
    const admitted = this.send(login(username, password), witness)
    const seen = this.send(['PING', witness])
    const back = Promise.all(subscription.map(([channel]) => this.send(['SUBSCRIBE', channel])))
    const isBack = back.then(
      () => {
        for (const [, { missed }] of subscription) missed()
      },
      (error) => this.destroy(error),
    )
    await Promise.all([...left, admitted, seen, isBack])
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#subscription.delete(channel)
    await this.send(['UNSUBSCRIBE', channel])
  }

  /** Ends the link when the answers under way have come. */
  retire(): void {
    this.#isRetired = true
    this.#leaveIfDone()
  }

  /** Ends the link now. */
  destroy(reason: unknown): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#socket.destroy()
    const waiting = this.#waiting.slice(this.#next)
    this.#waiting = []
    this.#next = 0
    for (const { reject } of waiting) reject(reason)
    this.#lost.resolve(reason)
  }

  #answer(reply: Reply): void {
    if (this.#hasEnded) return
    if (this.#isSubscriber && Array.isArray(reply) && reply[0] === 'message') {
      this.#subscription.get(reply[1] as string)?.hear(reply[2] as string)
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
    this.answeredAt = this.heardAt
    // Answered entries are removed many at a time. To remove the first entry of a long list for every answer
    // would take more time.
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
