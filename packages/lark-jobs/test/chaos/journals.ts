/** Reads the journals of all roles while the roles write them. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Line, Reading } from './evidence.ts'

export class Journals {
  readonly folder: string
  readonly reading = new Reading()
  /** How many bytes of each file have been read. */
  readonly #offsets = new Map<string, number>()
  #turn: Promise<Reading> = Promise.resolve(this.reading)

  constructor(folder: string) {
    this.folder = folder
  }

  pathOf(name: string): string {
    return join(this.folder, `${name}.jsonl`)
  }

  /**
   * Reads the new lines. An unfinished last line is read the next time. Simultaneous calls run one after the
   * other, so that each line counts once.
   */
  read(): Promise<Reading> {
    this.#turn = this.#turn.then(() => this.#read())
    return this.#turn
  }

  async #read(): Promise<Reading> {
    for (const name of (await readdir(this.folder)).filter((file) => file.endsWith('.jsonl'))) {
      const offset = this.#offsets.get(name) ?? 0
      await using file = await open(join(this.folder, name))
      const { size } = await file.stat()
      if (size === offset) continue
      const { buffer } = await file.read({ buffer: Buffer.alloc(size - offset), position: offset })
      const end = buffer.lastIndexOf(10) + 1
      this.#offsets.set(name, offset + end)
      for (const line of buffer.toString('utf8', 0, end).split('\n'))
        if (line !== '') this.reading.take(JSON.parse(line) as Line)
    }
    return this.reading
  }
}
