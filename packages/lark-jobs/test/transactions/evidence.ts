/** Reads the journals of the processes of a run while the processes write them. */
import { open } from 'node:fs/promises'

/** One run of a job. */
export interface Run {
  /** The name of the worker process. */
  by: string
  /** When the run began: milliseconds of the machine's clock. */
  at: number
  /** When the run ended. */
  end?: number
}

interface Line {
  at: number
  by: string
  what: 'ready' | 'begin' | 'end' | 'relay' | 'committed' | 'rolled back' | 'unsure' | 'odd'
  n?: number
  i?: number
  text?: string
}

export class Evidence {
  /** The runs by the number of the order, and then by the number of its job. */
  readonly runs = new Map<number, Run[][]>()
  /** The orders that committed, and the orders that were rolled back, according to the applications. */
  readonly committed = new Set<number>()
  readonly rolledBack = new Set<number>()
  /** For each worker process: when it showed that it has the relay. */
  readonly relays = new Map<string, number[]>()
  readonly ready = new Map<string, number>()
  /** How many transactions ended with each kind of error. */
  readonly errors = new Map<string, number>()
  /** How many jobs have ended, counting each run. */
  ended = 0
  unsure = 0
  readonly file: string
  #offset = 0
  #turn: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.file = file
  }

  /** Reads the new lines. An unfinished last line is read the next time. */
  read(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#read())
    return this.#turn
  }

  async #read(): Promise<void> {
    await using file = await open(this.file, 'a+')
    const { size } = await file.stat()
    if (size === this.#offset) return
    const { buffer } = await file.read({ buffer: Buffer.alloc(size - this.#offset), position: this.#offset })
    const end = buffer.lastIndexOf(10) + 1
    this.#offset += end
    for (const line of buffer.toString('utf8', 0, end).split('\n'))
      if (line !== '') this.#take(JSON.parse(line) as Line)
  }

  #take({ at, by, what, n = 0, i = 0, text = '' }: Line): void {
    if (what === 'begin') this.runsOf(n, i).push({ by, at })
    else if (what === 'end') {
      const run = this.runsOf(n, i).findLast((each) => each.by === by && each.end === undefined)
      if (run !== undefined) run.end = at
      this.ended += 1
    } else if (what === 'committed') this.committed.add(n)
    else if (what === 'rolled back') this.rolledBack.add(n)
    else if (what === 'ready') this.ready.set(by, at)
    else if (what === 'relay') {
      const signs = this.relays.get(by)
      if (signs === undefined) this.relays.set(by, [at])
      else signs.push(at)
    } else {
      if (what === 'unsure') this.unsure += 1
      // Numbers are replaced, because otherwise each error would count as a kind of its own.
      const kind = text.replaceAll(/\d+/g, '#')
      this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1)
    }
  }

  /** Returns the runs of a job, in the order in which they began. */
  runsOf(n: number, i: number): Run[] {
    const jobs = this.runs.get(n) ?? []
    if (jobs.length === 0) this.runs.set(n, jobs)
    const runs = jobs[i] ?? []
    jobs[i] = runs
    return runs
  }
}
