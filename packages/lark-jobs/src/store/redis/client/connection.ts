/**
 * A connection that reconnects by itself: its loop makes one link after another (`link.ts`).
 *
 *   dialling   there is no link; calls wait for a link, but no longer than `patience`
 *   connected  the link carries many calls at once, and the answers come in the order of the calls
 *   closed     the loop has ended, and no more links are made
 *
 * After a link is lost, the loop tries to connect again until the connection is closed. The pause between two
 * attempts doubles from 50 ms to 2 s. The connection never repeats a call that the server may have carried
 * out: if the link is lost before the answer, the call fails with `STORE_UNCERTAIN`, and the caller decides
 * whether to send it again. The loop gives up a link if an answer does not come before its deadline, or if
 * the server answers that it is not the primary.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, hostOf } from './address.ts'
import { LATE } from './failover.ts'
import {
  movedOn,
  Refusal,
  refused,
  Unencodable,
  Unsent,
  uncertain,
  unconfirmed,
  unreachable,
} from './failure.ts'
import { dial, type Link } from './link.ts'
import { LinkWaiters } from './link-waiters.ts'
import { admit, fixed, type Resolver } from './resolver.ts'

/**
 * A call without an answer fails after this many milliseconds. The limit is less than 5 s, because `dispatch`
 * promises to fail within 5 s.
 */
export const PATIENCE = 4_500
/**
 * The minimum time limit for the answer to a command, in milliseconds, even if the command is sent just
 * before the deadline of its verb.
 */
const LEAST = 500
/** The time limit for one attempt to connect, in milliseconds. */
const DIAL_TIMEOUT = 2_000
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2_000
/**
 * After this many milliseconds without data from the server, a PING is sent, so that dead links are found
 * early. `calls` is for links that carry calls. `standby` is for links that are mostly idle. `standby` is
 * longer, because some providers charge for each command. (If a dead link has lost notifications, the workers
 * find the jobs with their next survey of the partitions, within five seconds.)
 */
const HEARTBEAT = { calls: 10_000, standby: 30_000 }

/** How many links this process has given up so far, to all servers together. */
let givenUp = 0

/**
 * The epoch: a number that rises whenever this process gives up a link. A call with a lower epoch that
 * reaches a server after a call with a higher epoch comes late from a link that was given up. The caller may
 * have sent the late call again in the meantime (see `calls.lua`).
 */
export function currentEpoch(): number {
  return givenUp
}

/**
 * A command, or a function that makes the command from the current epoch at the moment when the command is
 * sent.
 */
export type Build = readonly string[] | ((epoch: number) => readonly string[])

export interface ConnectionOptions {
  patience?: number
  /** Whether the link is mostly idle, such as a link that only receives notifications. */
  standsBy?: boolean
  /** Called with every new link, before the link carries calls. */
  connected?: (link: Link) => void
  disconnected?: () => void
}

export class Connection {
  readonly name: string
  readonly isWhole = true
  readonly #resolver: Resolver
  readonly #patience: number
  readonly #options: ConnectionOptions
  readonly #waiters = new LinkWaiters()
  /** Why there is no link. */
  #cause: unknown = new Error('not connected')
  /** The present link, if there is one. Only this class sets it. */
  link: Link | undefined
  /** The address of the last link. Only this class sets it. */
  address: Address | undefined
  /** The server to which an attempt to connect is under way. */
  #dialled: Address | undefined
  /** Whether a failover was announced during the present attempt to connect. */
  #hasMoved = false
  #second: Connection | undefined
  #state: 'new' | 'running' | 'closed' = 'new'
  readonly #closing = new AbortController()

  constructor(where: Address | Resolver, options: ConnectionOptions = {}) {
    this.#resolver = 'find' in where ? where : fixed(where)
    this.name = this.#resolver.name
    this.#patience = options.patience ?? PATIENCE
    this.#options = options
    this.#resolver.follow?.((stays) => {
      if (this.link && this.address && !stays(this.address)) {
        this.link.destroy(new Error(`${this.name} has moved`))
      }
      if (this.#dialled && !stays(this.#dialled)) this.#hasMoved = true
    })
  }

  /** Whether the connection was started and has no link now. */
  get isAway(): boolean {
    return this.#state === 'running' && this.link === undefined
  }

  get notifications(): Resolver {
    return this.#resolver
  }

  /** Begins to connect. Idempotent. The first `send` also calls this method. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    void this.#run()
  }

  /** The deadline of a verb that starts now, by `performance.now()`. */
  deadline(patience = this.#patience): number {
    return performance.now() + patience
  }

  /**
   * Sends a command.
   * @param deadline the deadline of the verb to which this command belongs
   * @param isSure whether the answer counts only if it came from the primary: see `sure`
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED; Refusal if the error is not about the server's
   *   condition; Unencodable
   */
  async send(build: Build, deadline = this.deadline(), _key?: string, isSure = false): Promise<unknown> {
    for (;;) {
      const link = this.link ?? (await this.#admitted(deadline))
      const command = commandOf(build)
      let answer: unknown
      try {
        answer = await this.#answer(link, command, deadline)
      } catch (error) {
        this.#failed(link, error)
        continue
      }
      // As long as no answer of the server was late, this check takes no time.
      if (isSure && this.#resolver.doubt?.isThere) await this.sure(deadline)
      return answer
    }
  }

  /**
   * Resolves when the Sentinels or nodes have confirmed that the server which has just answered is the
   * primary. Resolves immediately if no answer of this server was late.
   *
   * @throws STORE_UNCERTAIN if the server was replaced, or if nobody confirms it as the primary in time
   */
  async sure(deadline: number): Promise<void> {
    const { doubt } = this.#resolver
    const [link, address] = [this.link, this.address]
    if (!doubt?.isThere || address === undefined) return
    const standing = await doubt.resolve(address, deadline)
    if (standing === 'primary') return
    const server = hostOf(address)
    const why =
      standing === 'replaced'
        ? `another server has taken the place of ${server}`
        : `nobody confirms that ${server} is still the primary`
    if (link !== undefined && standing === 'replaced') {
      this.#drop(link)
      link.destroy(new Error(why))
    }
    throw unconfirmed(this.name, why)
  }

  /**
   * Sends commands on one link, with no other command between them. If the server refuses a command, the
   * refusal takes the place of its answer.
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN
   */
  async sendTogether(builds: readonly Build[], deadline = this.deadline()): Promise<unknown[]> {
    for (;;) {
      const link = this.link ?? (await this.#admitted(deadline))
      const commands = builds.map(commandOf)
      try {
        return await Promise.all(
          commands.map((command) => this.#answer(link, command, deadline).catch(refusalOf)),
        )
      } catch (error) {
        this.#failed(link, error)
      }
    }
  }

  /** The servers that accept writes: only this connection, because there is only one server. */
  async servers(_deadline: number): Promise<readonly Connection[]> {
    return [this]
  }

  /** The name of the server that has a key: always '', because there is only one server. */
  serverOf(_key: string): string {
    return ''
  }

  /** A second connection to the same server, for commands that block their connection. */
  beside(_key: string): Connection {
    this.#second ??= new Connection(this.#resolver, { patience: this.#patience })
    return this.#second
  }

  /** Ends the loop. All calls under way fail at once. Idempotent. */
  close(): void {
    this.#end(new Error('the store is closed'), (link, cause) => link.destroy(cause))
  }

  /**
   * Ends the loop, and closes the link after the answers to all sent calls have come. Calls that wait for a
   * link fail.
   */
  retire(cause: Error): void {
    this.#end(cause, (link) => link.retire())
  }

  #end(cause: Error, part: (link: Link, cause: Error) => void): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cause = cause
    if (this.link) {
      part(this.link, cause)
      this.#drop(this.link)
    }
    this.#closing.abort(cause)
    this.#waiters.refuse(unreachable(this.name, cause))
    this.#second?.close()
    this.#resolver.close?.()
  }

  /**
   * Handles a failed call. Returns if the call has certainly changed nothing and may be sent again on another
   * link. Throws the caller's error in all other cases.
   */
  #failed(link: Link, error: unknown): void {
    // The command was not sent, so the link is still good.
    if (error instanceof Unencodable) throw error
    if (error instanceof Unsent) {
      this.#drop(link)
      return
    }
    if (!(error instanceof Refusal)) {
      // The link is given up now, so that the epoch rises before the caller sends its next call.
      this.#drop(link)
      throw uncertain(this.name, error)
    }
    if (movedOn.has(error.word)) {
      this.#drop(link)
      this.#cause = error
      if (this.#resolver.moves) return
    }
    throw refused(this.name, error)
  }

  /**
   * Sends a command and waits for its answer. If the answer is late, the link is ended. The time limit begins
   * again with each answer to an earlier command, because a server that works through thousands of calls is
   * alive. The timer keeps the process alive.
   */
  #answer(link: Link, command: readonly string[], deadline: number): Promise<unknown> {
    const sent = performance.now()
    // The deadline may be over already, because earlier commands of the same verb had to wait.
    const least = Math.min(LEAST, this.#patience)
    const patience = Math.max(1, Math.round(Math.max(least, deadline - sent)))
    let isAnswered = false
    const look = () => {
      // If this process itself was frozen, the answer may already have arrived in the socket. So the socket
      // is read before the link is ended.
      setImmediate(() => {
        if (isAnswered) return
        const left = Math.max(sent, link.answeredAt) + patience - performance.now()
        if (left > 0) timer = setTimeout(look, left)
        else link.destroy(new Error(`no answer within ${patience} ms`))
      })
    }
    let timer = setTimeout(look, patience)
    const over = () => {
      isAnswered = true
      clearTimeout(timer)
      if (performance.now() - sent > LATE) this.#resolver.doubt?.raise()
    }
    // With `finally`, three more promises would be created for each call.
    return link.send(command).then(
      (reply) => {
        over()
        return reply
      },
      (error) => {
        over()
        throw error
      },
    )
  }

  /** Waits for a link. */
  #admitted(deadline: number): Promise<Link> {
    if (this.#state === 'closed') return Promise.reject(unreachable(this.name, this.#cause))
    this.start()
    return this.#waiters.wait(deadline, () => this.#noLink())
  }

  #noLink(): Error {
    return this.#cause instanceof Refusal
      ? refused(this.name, this.#cause)
      : unreachable(this.name, this.#cause)
  }

  async #run(): Promise<void> {
    let failures = 0
    while (this.#state === 'running') {
      try {
        const address = await this.#resolver.find(this.#closing.signal)
        const found = performance.now()
        this.#dialled = address
        this.#hasMoved = false
        const link = await dial(address, DIAL_TIMEOUT, this.#closing.signal)
        await admit(this.#resolver, link, DIAL_TIMEOUT)
        if (this.#hasMoved || performance.now() - found > LATE) await this.#confirm(link, address)
        failures = 0
        await this.#serve(link, address)
      } catch (error) {
        failures += 1
        this.#cause = error
        // Only a person can remove the cause of such a refusal (a wrong password, a missing permission), so
        // the waiting calls fail at once. The loop goes on, because the person may remove the cause soon.
        if (error instanceof Refusal && !movedOn.has(error.word)) this.#waiters.refuse(this.#noLink())
      } finally {
        this.#dialled = undefined
      }
      if (this.#state === 'running') await this.#pause(failures)
    }
  }

  /**
   * Checks a server that was slow while this process connected to it: the server may have been frozen, and
   * another server may have replaced it. A link to a replaced server must not carry any call, because a
   * worker would run jobs that other workers have claimed from the new server. If nobody can say whether the
   * server was replaced, the link is used, and the server's answers are in doubt.
   */
  async #confirm(link: Link, address: Address): Promise<void> {
    const { doubt } = this.#resolver
    doubt?.raise()
    const standing = await doubt?.resolve(address, performance.now() + DIAL_TIMEOUT)
    if (standing !== 'replaced') return
    const error = new Error(`another server has taken the place of ${hostOf(address)}`)
    link.destroy(error)
    throw error
  }

  /** Lets calls use a link, and resolves when the link is lost. */
  async #serve(link: Link, address: Address): Promise<void> {
    if (this.#state !== 'running') return link.destroy(this.#cause)
    this.link = link
    this.address = address
    this.#dialled = undefined
    this.#options.connected?.(link)
    this.#waiters.enter(link)
    const every = this.#options.standsBy ? HEARTBEAT.standby : HEARTBEAT.calls
    const heartbeat = setInterval(() => {
      const isSilent = performance.now() - link.heardAt > every * 0.75
      // A call under way has its own deadline, so no PING is needed to find a dead link. On a standby link,
      // however, a login without a deadline may be under way, so a PING is sent in any case.
      const isAsked = link.pending > 0 && !this.#options.standsBy
      if (isSilent && !isAsked) void this.#answer(link, ['PING'], this.deadline()).catch(() => {})
    }, every).unref()
    const cause = await link.lost
    clearInterval(heartbeat)
    if (this.#state === 'running') this.#cause = cause
    if (this.link === link) this.#drop(link)
    this.#options.disconnected?.()
  }

  #drop(link: Link): void {
    if (this.link === link) {
      this.link = undefined
      givenUp += 1
    }
    link.retire()
  }

  /**
   * Waits before the next attempt. Half of the pause is random, so that a thousand processes do not reconnect
   * in the same instant.
   */
  async #pause(failures: number): Promise<void> {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 10))
    const options = { ref: false, signal: this.#closing.signal }
    await sleep((longest / 2) * (1 + Math.random()), undefined, options).catch(() => {})
  }
}

function commandOf(build: Build): readonly string[] {
  return typeof build === 'function' ? build(givenUp) : build
}

/** Turns a refusal into an answer. Throws every other error. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  throw error
}
