/** Reads the journals of the processes of a run while the processes write them. */
import { open } from 'node:fs/promises'

interface Line {
  /** Milliseconds, by the clock of the machine. */
  at: number
  /** The number of the worker process. */
  life: number
  pid: number
}

/** The start of an honest job. */
export interface Start extends Line {
  n: number
  /** Milliseconds between the dispatch and the start. */
  late: number
}

/** The beginning of a villain. */
export interface Begin extends Line {
  id: string
}

type Written =
  | (Line & { what: 'ready' | 'stopped' })
  | (Start & { what: 'start' })
  | (Line & { what: 'end'; n: number })
  | (Begin & { what: 'begin' })
  | (Begin & { what: 'failed'; code: string })

export class Evidence {
  /** The starts by the number of the honest job. */
  readonly starts = new Map<number, Start[]>()
  readonly ends = new Map<number, (Line & { n: number })[]>()
  /** The beginnings by the id of the villain's job. */
  readonly begins = new Map<string, Begin[]>()
  readonly failed = new Map<string, Begin & { code: string }>()
  /** When each worker process was ready, and when it had stopped. */
  readonly ready = new Map<number, number>()
  readonly stopped = new Map<number, number>()
  readonly file: string
  #offset = 0

  constructor(file: string) {
    this.file = file
  }

  /** Reads the new lines. An unfinished last line is read the next time. Calls must not overlap. */
  async read(): Promise<void> {
    await using file = await open(this.file, 'a+')
    const { size } = await file.stat()
    if (size === this.#offset) return
    const { buffer } = await file.read({ buffer: Buffer.alloc(size - this.#offset), position: this.#offset })
    const end = buffer.lastIndexOf(10) + 1
    this.#offset += end
    for (const line of buffer.toString('utf8', 0, end).split('\n'))
      if (line !== '') this.#take(JSON.parse(line) as Written)
  }

  #take(line: Written): void {
    if (line.what === 'start') add(this.starts, line.n, line)
    else if (line.what === 'end') add(this.ends, line.n, line)
    else if (line.what === 'begin') add(this.begins, line.id, line)
    else if (line.what === 'failed') this.failed.set(line.id, line)
    else this[line.what].set(line.life, line.at)
  }
}

function add<K, V>(to: Map<K, V[]>, key: K, value: V): void {
  const found = to.get(key)
  if (found === undefined) to.set(key, [value])
  else found.push(value)
}
