/**
 * One worker process, as its supervisor sees it.
 *
 *   starting → serving → quiet → leaving (told to stop, or on its way by itself) → departed
 *
 * Told to stop, it has until its deadline and a grace period; then it is killed.
 */
import type { ChildProcess } from 'node:child_process'
import { newNonce } from '../model/id.ts'
import { STOP_DEADLINE } from '../worker/options.ts'
import { type Figures, noFigures } from './supervised-figures.ts'
import { GRACE, ours, type ProcessCommand, type ProcessReport, type ProcessSlot } from './supervision.ts'

/** Milliseconds after a process's end in which its last words come in. */
const LAST_WORDS = 1_000

/** How a process ended: `finished` and `left` in order, the latter to be replaced. */
export type Departure =
  | { kind: 'finished' | 'left' }
  | Extract<ProcessReport, { kind: 'refused' }>
  /** @param how continues a sentence: `was killed by SIGKILL` */
  | { kind: 'died'; how: string }

export interface Hearing {
  remark(text: string): void
  /** It serves its queues. */
  serving(): void
  /** Its figures are new. */
  figures(): void
}

export class SupervisedProcess {
  readonly slot: ProcessSlot
  readonly pid: number | undefined
  /** By `performance.now()`. */
  readonly startedAt = performance.now()
  /** Resolves when the process has ended and said all it had to say. */
  readonly departed: Promise<Departure>
  figures: Figures = noFigures()
  hasServed = false
  /** Did not end in time. */
  isKilled = false
  readonly #child: ChildProcess
  readonly #hearing: Hearing
  /** The word that it departs with, if any. */
  #last: Departure | undefined
  #killAt = Number.POSITIVE_INFINITY
  #kill: NodeJS.Timeout | undefined

  constructor(number: number, of: number, start: (slot: ProcessSlot) => ChildProcess, hearing: Hearing) {
    this.slot = { number, of, worker: newNonce() }
    this.#hearing = hearing
    this.#child = start(this.slot)
    this.pid = this.#child.pid
    this.#child.on('message', (message) => {
      const word = ours<ProcessReport>(message)
      if (word !== undefined) this.#hear(word)
      // As it would without a supervisor: a job's to the program that started this one, Node's to `node --watch`.
      else if (process.connected) process.send?.(message, undefined, undefined, () => {})
    })
    this.departed = this.#end()
  }

  /** Has it take no more. */
  quiet(): void {
    this.#tell({ kind: 'quiet' })
  }

  /** @param deadline milliseconds. Called again, the shorter one holds. */
  stop(deadline: number): void {
    this.#tell({ kind: 'stop', deadline })
    this.#killIn(deadline + GRACE)
  }

  /** A process that has just ended hears nothing, and need not. */
  #tell(order: ProcessCommand): void {
    if (this.#child.connected) this.#child.send({ lark: order }, () => {})
  }

  #hear(word: ProcessReport): void {
    if (word.kind === 'remark') this.#hearing.remark(word.text)
    else if (word.kind === 'leaving') this.#killIn(STOP_DEADLINE + GRACE)
    else if (word.kind === 'serving') {
      this.hasServed = true
      this.#hearing.serving()
    } else if (word.kind === 'figures') {
      this.figures = word.figures
      this.#hearing.figures()
    } else {
      this.#last = word.kind === 'refused' ? word : { kind: word.finished ? 'finished' : 'left' }
      this.#killIn(GRACE)
    }
  }

  #killIn(ms: number): void {
    const at = performance.now() + ms
    if (at >= this.#killAt) return
    this.#killAt = at
    clearTimeout(this.#kill)
    this.#kill = setTimeout(() => {
      this.isKilled = this.#last === undefined
      this.#child.kill('SIGKILL')
    }, ms)
  }

  async #end(): Promise<Departure> {
    const how = await new Promise<string>((resolve) => {
      this.#child.on('error', (error) => {
        if (this.pid === undefined) resolve(`could not be started: ${error.message}`)
      })
      this.#child.once('exit', (code, signal) => {
        const text = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
        // `close` comes when its pipes are read to the end; a process that it left behind may hold them open.
        const late = setTimeout(resolve, LAST_WORDS, text)
        this.#child.once('close', () => {
          clearTimeout(late)
          resolve(text)
        })
      })
    })
    clearTimeout(this.#kill)
    return this.#last ?? { kind: 'died', how: this.isKilled ? 'did not stop in time and was killed' : how }
  }
}
