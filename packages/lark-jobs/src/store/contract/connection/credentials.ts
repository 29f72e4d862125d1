/**
 * Credentials that a function of the user returns: tokens that expire (AWS IAM, Microsoft Entra), or
 * passwords that rotate. All connections of a process with the same function share the credentials that the
 * function returned last. The function is called again before the credentials expire, and when a server
 * refuses them. With the new credentials, every open connection logs in again.
 *
 * A function cannot be passed to another thread. So the lease thread gets one end of a message channel, and
 * receives the credentials through this channel (`lend`).
 */
import type { MessagePort as Port } from 'node:worker_threads'
import { durationForm, milliseconds } from '../../../words/duration.ts'
import type { Credentials, CredentialsFunction, RedisServers } from './servers.ts'

/** The credentials that the function returned last. */
export interface CurrentCredentials {
  /** A number that rises by one each time the function returns credentials. */
  number: number
  username: string | undefined
  password: string
  /** Milliseconds for which the credentials are valid from now; `Infinity` if they do not expire. */
  life: number
}

/** Milliseconds within which the function must return credentials. */
const PATIENCE = 10_000
/**
 * Credentials are replaced after this share of their lifetime. In the rest of the lifetime, the function is
 * called again if it fails.
 */
const RENEW_AFTER = 0.8
/**
 * Milliseconds before a function that failed is called again. The first pause is `from`; each pause is twice
 * the last, up to `to`.
 */
const AGAIN = { from: 200, to: 30_000 }
/**
 * If the last refusal of a server is more than this many milliseconds ago, the next refusal counts as the
 * first again.
 */
const CALM = 60_000
/** The longest time of a timer in Node, in milliseconds. */
const LONGEST = 2 ** 31 - 1

type Told = (held: CurrentCredentials) => void

export class CredentialSource {
  readonly #ask: () => Promise<CurrentCredentials>
  /**
   * Whether this source calls the function itself; false in the lease thread, to which the main thread sends
   * the credentials.
   */
  readonly #renews: boolean
  readonly #followers = new Set<Told>()
  #held: CurrentCredentials | undefined
  #until = 0
  #asking: Promise<CurrentCredentials> | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  /**
   * For each server that has refused credentials: the number of refusals since it last accepted credentials,
   * and the time of the last refusal.
   */
  readonly #refusals = new Map<string, { count: number; at: number }>()
  /**
   * The number of the credentials that a server refused last, and (`#askFrom`) the time from which on these
   * credentials are no longer used for a login.
   */
  #spent = 0
  #askFrom = 0

  constructor(ask: () => Promise<CurrentCredentials>, renews: boolean) {
    this.#ask = ask
    this.#renews = renews
  }

  /** Returns the credentials for a login now. Rejects if the function fails or takes too long. */
  current(): Promise<CurrentCredentials> {
    const held = this.#held
    const now = performance.now()
    const isSpent = held?.number === this.#spent && now >= this.#askFrom
    return held !== undefined && now < this.#until && !isSpent ? Promise.resolve(held) : this.#refresh()
  }

  /** Calls `told` each time there are new credentials. @returns a function that ends these calls */
  follow(told: Told): () => void {
    this.#followers.add(told)
    if (this.#timer === undefined && this.#held !== undefined) this.#planRenewal()
    return () => {
      this.#followers.delete(told)
      if (this.#followers.size > 0) return
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  /** Notes that a server has accepted the credentials. */
  accepted(server: string): void {
    this.#failures = 0
    this.#refusals.delete(server)
  }

  /**
   * Notes that a server has refused credentials, so that the function is called before the next login. If the
   * server refuses the new credentials too, they stay in use, because other servers may accept them, and the
   * function is called less and less often.
   */
  refused(number: number, server: string): void {
    if (this.#held?.number !== number || this.#spent === number) return
    const now = performance.now()
    const { count, at } = this.#refusals.get(server) ?? { count: 0, at: now }
    const refusals = now - at > CALM ? 1 : count + 1
    this.#refusals.set(server, { count: refusals, at: now })
    const ms = pauseAfter(refusals)
    this.#spent = number
    this.#askFrom = refusals === 1 ? now : now + ms
    if (refusals === 2 && this.#renews)
      process.emitWarning(
        `${server} refuses what credentials() returned, even after a second call. Lark goes on calling it, more and more rarely`,
        { code: 'LARK_CREDENTIALS' },
      )
    this.#plan(ms)
  }

  /**
   * The same credentials to send to another thread, with their remaining lifetime. An instant cannot be sent,
   * because `performance.now()` begins at different times in two threads.
   */
  remaining(held: CurrentCredentials): CurrentCredentials {
    return held.number === this.#held?.number ? { ...held, life: this.#until - performance.now() } : held
  }

  /**
   * Stores new credentials, and hands them to every follower. (Each open connection is a follower, and logs
   * in with the new credentials.)
   */
  take(held: CurrentCredentials): CurrentCredentials {
    this.#held = held
    this.#until = performance.now() + held.life
    this.#planRenewal()
    for (const told of this.#followers) told(held)
    return held
  }

  /** Calls the function for new credentials. If a call is already under way, its result is used. */
  #refresh(): Promise<CurrentCredentials> {
    this.#asking ??= this.#next().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #next(): Promise<CurrentCredentials> {
    const began = performance.now()
    const held = await within(PATIENCE, this.#ask())
    // The lease thread has called `take` when it received the credentials.
    if (!this.#renews) return held
    return this.take({ ...held, life: held.life - (performance.now() - began) })
  }

  #planRenewal(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { life } = this.#held!
    if (life !== Number.POSITIVE_INFINITY)
      this.#plan(this.#until - performance.now() - life * (1 - RENEW_AFTER))
  }

  #planAnother(): void {
    this.#failures += 1
    this.#plan(pauseAfter(this.#failures))
  }

  /** Plans a call of the function after this many milliseconds, if there are open connections to renew. */
  #plan(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#renews || this.#followers.size === 0) return
    this.#timer = setTimeout(() => void this.#renew(), Math.min(LONGEST, Math.max(0, ms))).unref()
  }

  async #renew(): Promise<void> {
    this.#timer = undefined
    try {
      await this.#refresh()
    } catch (error) {
      // Only a new connection would fail with this error. Open connections still work, so without this
      // warning nobody would notice that the function fails.
      if (this.#failures === 0) process.emitWarning(messageOf(error), { code: 'LARK_CREDENTIALS' })
      this.#planAnother()
    }
  }
}

/** Milliseconds to wait after this many failures in a row. */
function pauseAfter(failures: number): number {
  return Math.min(AGAIN.to, AGAIN.from * 2 ** Math.min(failures, 10))
}

const sources = new WeakMap<object, CredentialSource>()

/**
 * Returns the source of credentials for a function, or for the port that replaces a function in another
 * thread. Repeated calls return the same source.
 */
export function sourceOf(given: CredentialsFunction | Port): CredentialSource {
  let source = sources.get(given)
  if (source === undefined) {
    source = typeof given === 'function' ? asked(given) : told(given)
    sources.set(given, source)
  }
  return source
}

function asked(ask: CredentialsFunction): CredentialSource {
  let number = 0
  return new CredentialSource(async () => {
    let given: unknown
    try {
      given = await ask()
    } catch (error) {
      // The message of a SyntaxError of JSON.parse contains the text, which may be the password. So the
      // message is not passed on.
      if (error instanceof SyntaxError) throw new Error('credentials() failed with a SyntaxError')
      throw new Error(`credentials() failed: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
    return read(given, ++number)
  }, true)
}

/**
 * Checks the returned credentials. The messages of errors contain no values, because one of the values is the
 * password.
 */
function read(given: unknown, number: number): CurrentCredentials {
  if (typeof given !== 'object' || given === null)
    throw new Error(
      `credentials() returned ${given === null ? 'null' : typeof given}, not { username, password }`,
    )
  const { username, password, expiresIn, expiresAt } = given as Credentials
  if (typeof password !== 'string' || password === '')
    throw new Error(
      `credentials() returned a password that is ${password === '' ? 'empty' : typeof password}, not a text`,
    )
  if (username !== undefined && typeof username !== 'string')
    throw new Error(`credentials() returned a username that is ${typeof username}, not a text`)
  if (expiresIn !== undefined && expiresAt !== undefined)
    throw new Error('credentials() returned expiresIn and expiresAt; give only one of them')
  const life =
    expiresAt !== undefined
      ? Number(expiresAt) - Date.now()
      : expiresIn !== undefined
        ? (milliseconds(expiresIn) ?? Number.NaN)
        : Number.POSITIVE_INFINITY
  if (Number.isNaN(life))
    throw new Error(
      `credentials() returned ${expiresAt === undefined ? `an expiresIn that is not ${durationForm}` : 'an expiresAt that is neither a Date nor milliseconds since 1970'}`,
    )
  if (life <= 0) throw new Error('credentials() returned a password that has expired')
  return { number, username: username === '' ? undefined : username, password, life }
}

/** Waits for a promise, at most `ms` milliseconds. @throws an error if the promise takes longer */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`credentials() did not answer within ${ms / 1_000} s`)), ms)
    timer.unref()
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function messageOf(error: unknown): string {
  return `${error instanceof Error ? error.message : String(error)}. Connections stay as they are, and Lark calls it again`
}

/** A message to another thread: the credentials, or the reason why there are none. */
type Handed = CurrentCredentials | string

/** Makes a source of credentials for a thread that receives the credentials through a port. */
function told(port: Port): CredentialSource {
  let waiting: { resolve: (held: CurrentCredentials) => void; reject: (error: Error) => void }[] = []
  let last = 0
  const source = new CredentialSource(
    () =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        // Asks for newer credentials, because the credentials with the number `last` have expired or were
        // refused.
        port.postMessage(last)
      }),
    false,
  )
  port.on('message', (data: Handed) => {
    const asked = waiting
    waiting = []
    if (typeof data === 'string') {
      for (const { reject } of asked) reject(new Error(data))
      return
    }
    last = data.number
    source.take(data)
    for (const { resolve } of asked) resolve(data)
  })
  port.unref()
  return source
}

/** A connection that can be sent to another thread. */
export interface Lent {
  connection: string | RedisServers
  /** The ports that must be transferred together with the connection. */
  ports: Port[]
  close(): void
}

/** Makes a connection for another thread: one end of a message channel replaces each function. */
export function lend(connection: string | RedisServers): Lent {
  if (typeof connection === 'string') return { connection, ports: [], close() {} }
  const channels: Port[] = []
  const ports: Port[] = []
  const leaves: (() => void)[] = []
  const stand = (credentials: CredentialsFunction): CredentialsFunction => {
    const { port1, port2 } = new MessageChannel()
    channels.push(port1)
    ports.push(port2)
    leaves.push(hand(sourceOf(credentials), port1))
    return port2 as unknown as CredentialsFunction
  }
  const { credentials, sentinel } = connection
  const lent: RedisServers = {
    ...connection,
    ...(credentials && { credentials: stand(credentials) }),
    ...(sentinel?.credentials && { sentinel: { ...sentinel, credentials: stand(sentinel.credentials) } }),
  }
  const close = () => {
    for (const leave of leaves) leave()
    for (const channel of channels) channel.close()
  }
  return { connection: lent, ports, close }
}

/**
 * Sends credentials to a port: new credentials as soon as the source has them, and the current credentials on
 * request.
 * @returns a function that ends the sending
 */
function hand(source: CredentialSource, port: Port): () => void {
  port.on('message', (spent: number) => {
    source.refused(spent, 'The server of another thread')
    source.current().then(
      (held) => port.postMessage(source.remaining(held)),
      (error) => port.postMessage(error instanceof Error ? error.message : String(error)),
    )
  })
  port.unref()
  return source.follow((held) => port.postMessage(held))
}

/** The connection without functions for credentials, for uses that cannot handle functions. */
export function withoutCredentials(connection: string | RedisServers): string | RedisServers {
  if (typeof connection === 'string') return connection
  const { credentials: _, sentinel, ...rest } = connection
  if (sentinel === undefined) return rest
  const { credentials: __, ...others } = sentinel
  return { ...rest, sentinel: others }
}

/** Whether a connection came from another thread, so that ports replace its functions. */
export function isLent(connection: string | RedisServers): boolean {
  if (typeof connection === 'string') return false
  return typeof (connection.credentials ?? connection.sentinel?.credentials) === 'object'
}
