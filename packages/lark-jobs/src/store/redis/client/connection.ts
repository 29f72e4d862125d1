/**
 * A connection that is always there again: our own loop around links (`link.ts`).
 *
 *   dialling   no link; whoever uses the connection waits, for `patience` at most
 *   connected  the link carries what is sent, many calls at once, answers in order
 *   closed     for good
 *
 * A lost link is dialled anew for ever, after 50 ms that double to 2 s. Nothing that may have been done is sent twice
 * from here: a call whose link was lost before the answer is `STORE_UNCERTAIN`, and its caller knows whether to send
 * it again. A link on which an answer is late is given up, and so is one whose server says that it is not the one any
 * more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, hostOf } from './address.ts'
import { LATE } from './doubt.ts'
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
import { admit, fixed, type Guide } from './guide.ts'
import { dial, type Link } from './link.ts'
import { Waiters } from './waiters.ts'

/** Milliseconds from a call to its error: below the 5 s that `dispatch` promises. */
export const PATIENCE = 4_500
/** Milliseconds for one attempt to connect. */
const DIAL_TIMEOUT = 2_000
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2_000
/**
 * Milliseconds without a word from the server after which it must prove that it is there: dead links are found early. Of
 * links that carry calls; and of those that stand by, for which users of metered servers pay all the same. (What a link
 * that carries rings has lost is found by the next survey, within five seconds.)
 */
const HEARTBEAT = { calls: 10_000, standby: 30_000 }

/** Links that this process has given up so far, to whatever server. */
let givenUp = 0

export function currentEpoch(): number {
  return givenUp
}

/** A command, or how to make it when the epoch is known in which it is sent. */
export type Build = readonly string[] | ((epoch: number) => readonly string[])

export interface ConnectionOptions {
  patience?: number
  /** The link is mostly idle, and no caller waits for it. */
  standsBy?: boolean
  /** Called with every new link, before anything else uses it. */
  connected?: (link: Link) => void
  disconnected?: () => void
}

export class Connection {
  readonly name: string
  readonly isWhole = true
  readonly #guide: Guide
  readonly #patience: number
  readonly #options: ConnectionOptions
  readonly #waiters = new Waiters()
  /** Why there is no link. */
  #cause: unknown = new Error('not connected')
  #link: Link | undefined
  /** Where the link leads. */
  #address: Address | undefined
  #second: Connection | undefined
  #state: 'new' | 'running' | 'closed' = 'new'
  readonly #closing = new AbortController()

  constructor(where: Address | Guide, options: ConnectionOptions = {}) {
    this.#guide = 'find' in where ? where : fixed(where)
    this.name = this.#guide.name
    this.#patience = options.patience ?? PATIENCE
    this.#options = options
    this.#guide.follow?.((stays) => {
      if (this.#link && this.#address && !stays(this.#address)) {
        this.#link.destroy(new Error(`${this.name} has moved`))
      }
    })
  }

  /** The link, when there is one now. */
  get link(): Link | undefined {
    return this.#link
  }

  /** It should have a link and has none. */
  get isAway(): boolean {
    return this.#state === 'running' && this.#link === undefined
  }

  /**
   * Rises whenever a link of this process is given up. A call that was sent in a lower epoch than one which came
   * after it may be its ghost: given up, and still in a socket on its way (see `lua/shared/call.lua`).
   */
  get epoch(): number {
    return givenUp
  }

  get bells(): Guide {
    return this.#guide
  }

  /** Where the last link led. */
  get address(): Address | undefined {
    return this.#address
  }

  /** Begins to connect; idempotent. Using the connection does it too. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    void this.#run()
  }

  /** Until when a verb that begins now may take. */
  deadline(patience = this.#patience): number {
    return performance.now() + patience
  }

  /**
   * Sends a command.
   * @param deadline of the verb that this is part of
   * @param isSure the answer counts only when it came from the primary: see `sure`
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED; Refusal for what is not the server's condition;
   * Unencodable
   */
  async send(build: Build, deadline = this.deadline(), _key?: string, isSure = false): Promise<unknown> {
    for (;;) {
      const link = this.#link ?? (await this.#admitted(deadline))
      const command = this.#command(build)
      let answer: unknown
      try {
        answer = await this.#answer(link, command, deadline)
      } catch (error) {
        this.#failed(link, error)
        continue
      }
      // The common case: no answer is in doubt.
      if (isSure && this.#guide.doubt?.isThere) await this.sure(deadline)
      return answer
    }
  }

  /**
   * Resolves when the server that has just answered is known to be the primary: at once, unless one of its answers was
   * late.
   *
   * @throws STORE_UNCERTAIN when another has taken its place, or nobody can say so in time
   */
  async sure(deadline: number): Promise<void> {
    const { doubt } = this.#guide
    const [link, address] = [this.#link, this.#address]
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
   * Sends commands right behind each other on one link. Some may be refused and others not: refusals are among the
   * answers.
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN
   */
  async sendTogether(builds: readonly Build[], deadline = this.deadline()): Promise<unknown[]> {
    for (;;) {
      const link = this.#link ?? (await this.#admitted(deadline))
      const commands = builds.map((build) => this.#command(build))
      try {
        return await Promise.all(
          commands.map((command) => this.#answer(link, command, deadline).catch(refusalOf)),
        )
      } catch (error) {
        this.#failed(link, error)
      }
    }
  }

  #command(build: Build): readonly string[] {
    return typeof build === 'function' ? build(this.epoch) : build
  }

  /** Itself: it is the only server. */
  async servers(_deadline: number): Promise<readonly Connection[]> {
    return [this]
  }

  /** One more connection to the same place, for commands that block the one which carries them. */
  beside(_key: string): Connection {
    this.#second ??= new Connection(this.#guide, { patience: this.#patience })
    return this.#second
  }

  /** Ends what is under way, and the loop. Idempotent, and does not wait for the server. */
  close(): void {
    this.#end(new Error('the store is closed'), (link, cause) => link.destroy(cause))
  }

  /** Ends the loop, and the link when the answers under way have come. Who waits for a link is refused. */
  retire(cause: Error): void {
    this.#end(cause, (link) => link.retire())
  }

  #end(cause: Error, part: (link: Link, cause: Error) => void): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cause = cause
    if (this.#link) {
      part(this.#link, cause)
      this.#drop(this.#link)
    }
    this.#closing.abort(cause)
    this.#waiters.refuse(unreachable(this.name, cause))
    this.#second?.close()
    this.#guide.close?.()
  }

  /** Returns when the call may be sent again, on another link: certainly nothing happened. */
  #failed(link: Link, error: unknown): void {
    // The link is as it was.
    if (error instanceof Unencodable) throw error
    if (error instanceof Unsent) {
      this.#drop(link)
      return
    }
    if (!(error instanceof Refusal)) {
      // Before its caller sends the next one: that is what the epoch is for.
      this.#drop(link)
      throw uncertain(this.name, error)
    }
    if (movedOn.has(error.word)) {
      this.#drop(link)
      this.#cause = error
      if (this.#guide.moves) return
    }
    throw refused(this.name, error)
  }

  /** The answer, or the link's end: an answer that is late ends it. The timer keeps the process alive. */
  #answer(link: Link, command: readonly string[], deadline: number): Promise<unknown> {
    const sent = performance.now()
    const patience = Math.max(1, Math.round(deadline - sent))
    let isAnswered = false
    const timer = setTimeout(() => {
      // Where it was this process that stood still, the answer may lie in the socket: read it first.
      setImmediate(() => {
        if (!isAnswered) link.destroy(new Error(`no answer within ${patience} ms`))
      })
    }, patience)
    return link.send(command).finally(() => {
      isAnswered = true
      clearTimeout(timer)
      if (performance.now() - sent > LATE) this.#guide.doubt?.raise()
    })
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
        const address = await this.#guide.find(this.#closing.signal)
        const link = await dial(address, DIAL_TIMEOUT, this.#closing.signal)
        await admit(this.#guide, link, DIAL_TIMEOUT)
        failures = 0
        await this.#serve(link, address)
      } catch (error) {
        failures += 1
        this.#cause = error
        // What only a person can mend is told at once. The loop goes on: they may be about to.
        if (error instanceof Refusal && !movedOn.has(error.word)) this.#waiters.refuse(this.#noLink())
      }
      if (this.#state === 'running') await this.#pause(failures)
    }
  }

  /** Lets everybody use a link until it is lost. */
  async #serve(link: Link, address: Address): Promise<void> {
    if (this.#state !== 'running') return link.destroy(this.#cause)
    this.#link = link
    this.#address = address
    this.#options.connected?.(link)
    this.#waiters.enter(link)
    const every = this.#options.standsBy ? HEARTBEAT.standby : HEARTBEAT.calls
    const heartbeat = setInterval(() => {
      const isSilent = performance.now() - link.heardAt > every * 0.75
      // Calls have deadlines of their own. A login on a link that stands by has none, and would wait on a dead link.
      const isAsked = link.pending > 0 && !this.#options.standsBy
      if (isSilent && !isAsked) void this.#answer(link, ['PING'], this.deadline()).catch(() => {})
    }, every).unref()
    const cause = await link.lost
    clearInterval(heartbeat)
    if (this.#state === 'running') this.#cause = cause
    if (this.#link === link) this.#drop(link)
    this.#options.disconnected?.()
  }

  #drop(link: Link): void {
    if (this.#link === link) {
      this.#link = undefined
      givenUp += 1
    }
    link.retire()
  }

  /** Half of it is chance, so that a thousand processes do not come back in the same instant. */
  async #pause(failures: number): Promise<void> {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 10))
    const options = { ref: false, signal: this.#closing.signal }
    await sleep((longest / 2) * (1 + Math.random()), undefined, options).catch(() => {})
  }
}

/** A refusal is an answer too. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  throw error
}
