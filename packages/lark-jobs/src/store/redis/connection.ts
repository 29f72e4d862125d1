/**
 * A connection that is always there again: our own loop around links (`link.ts`).
 *
 *   dialling   no link; whoever uses the connection waits, for `patience` at most
 *   connected  the link carries what is sent, many calls at once, answers in order
 *   closed     for good
 *
 * A lost link is dialled anew for ever, after 50 ms that double to 2 s. Nothing is sent twice from here: a call
 * whose link was lost before the answer is `STORE_UNCERTAIN`, and its caller knows whether to send it again. A
 * link on which an answer is late is given up, and so is one whose server says that it is not the one any more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, nameOf } from './address.ts'
import { movedOn, Refusal, refused, Unsent, uncertain, unreachable } from './failure.ts'
import { dial, type Link } from './link.ts'

/** Milliseconds from a call to its error: below the 5 s that `dispatch` promises. */
export const PATIENCE = 4_500
/** Milliseconds for one attempt to connect. */
const DIAL_TIMEOUT = 2_000
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 2_000
/** Milliseconds without any call after which the server must prove that it is there: dead links are found early. */
const HEARTBEAT = 10_000

/** Links of this process so far. */
let links = 0

export interface ConnectionOptions {
  patience?: number
  /** Called with every new link, before anything else uses it. */
  connected?: (link: Link) => void
  disconnected?: () => void
}

interface Waiter {
  enter(link: Link): void
  refuse(error: unknown): void
}

export class Connection {
  readonly name: string
  /** Which link of this process, counted from 1, is or was the last of this connection. */
  epoch = 0
  readonly #address: Address
  readonly #patience: number
  readonly #options: ConnectionOptions
  readonly #waiters = new Set<Waiter>()
  /** Why there is no link. */
  #cause: unknown = new Error('not connected')
  #link: Link | undefined
  #state: 'new' | 'running' | 'closed' = 'new'
  readonly #closing = new AbortController()

  constructor(address: Address, options: ConnectionOptions = {}) {
    this.name = nameOf(address)
    this.#address = address
    this.#patience = options.patience ?? PATIENCE
    this.#options = options
  }

  /** The link, when there is one now. */
  get link(): Link | undefined {
    return this.#link
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
   * Sends a command. `build` is given the epoch of the link that will carry it.
   * @param deadline of the verb that this is part of
   * @throws STORE_UNREACHABLE, STORE_UNCERTAIN, STORE_REFUSED; Refusal for what is not the server's condition
   */
  async send(
    build: readonly string[] | ((epoch: number) => readonly string[]),
    deadline = this.deadline(),
  ): Promise<unknown> {
    for (;;) {
      const link = this.#link ?? (await this.#admitted(deadline))
      try {
        return await this.#answer(link, typeof build === 'function' ? build(this.epoch) : build, deadline)
      } catch (error) {
        if (error instanceof Unsent) {
          this.#drop(link)
          continue
        }
        if (!(error instanceof Refusal)) throw uncertain(this.name, error)
        if (movedOn.has(error.word)) this.#drop(link)
        throw refused(this.name, error)
      }
    }
  }

  /** Ends what is under way, and the loop. Idempotent, and does not wait for the server. */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#cause = new Error('the store is closed')
    this.#link?.destroy(this.#cause)
    this.#link = undefined
    this.#closing.abort(this.#cause)
    this.#refuseAll(unreachable(this.name, this.#cause))
  }

  /** The answer, or the link's end: an answer that is late ends it. The timer keeps the process alive. */
  #answer(link: Link, command: readonly string[], deadline: number): Promise<unknown> {
    const patience = Math.max(1, Math.round(deadline - performance.now()))
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
    })
  }

  /** Waits for a link. */
  #admitted(deadline: number): Promise<Link> {
    if (this.#state === 'closed') return Promise.reject(unreachable(this.name, this.#cause))
    this.start()
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        enter(link) {
          leave()
          resolve(link)
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      const timer = setTimeout(() => waiter.refuse(this.#noLink()), Math.max(1, deadline - performance.now()))
      this.#waiters.add(waiter)
    })
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
        const link = await dial(this.#address, DIAL_TIMEOUT, this.#closing.signal)
        failures = 0
        await this.#serve(link)
      } catch (error) {
        failures += 1
        this.#cause = error
        // What only a person can mend is told at once. The loop goes on: they may be about to.
        if (error instanceof Refusal && !movedOn.has(error.word)) this.#refuseAll(this.#noLink())
      }
      if (this.#state === 'running') await this.#pause(failures)
    }
  }

  /** Lets everybody use a link until it is lost. */
  async #serve(link: Link): Promise<void> {
    if (this.#state !== 'running') return link.destroy(this.#cause)
    links += 1
    this.epoch = links
    this.#link = link
    this.#options.connected?.(link)
    for (const waiter of [...this.#waiters]) waiter.enter(link)
    const heartbeat = setInterval(() => {
      if (link.pending === 0) void this.#answer(link, ['PING'], this.deadline()).catch(() => {})
    }, HEARTBEAT).unref()
    const cause = await link.lost
    clearInterval(heartbeat)
    if (this.#state === 'running') this.#cause = cause
    if (this.#link === link) this.#drop(link)
    this.#options.disconnected?.()
  }

  #drop(link: Link): void {
    if (this.#link === link) this.#link = undefined
    link.retire()
  }

  #refuseAll(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.refuse(error)
  }

  /** Half of it is chance, so that a thousand processes do not come back in the same instant. */
  async #pause(failures: number): Promise<void> {
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(failures, 10))
    const options = { ref: false, signal: this.#closing.signal }
    await sleep((longest / 2) * (1 + Math.random()), undefined, options).catch(() => {})
  }
}
