/**
 * What the jobs have found out, kept in `var/NAME.jsonl`, one entry a line. A journal only grows, and the last
 * entry of an id is the one that counts: a job that runs twice writes twice and changes nothing, and several
 * workers may write at once.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises'

/** Where all that the jobs make is kept. */
export const FOLDER = new URL('../var/', import.meta.url)

export class Journal<Entry extends { id: string }> {
  readonly file: URL

  constructor(name: string) {
    this.file = new URL(`${name}.jsonl`, FOLDER)
  }

  async write(entry: Entry): Promise<void> {
    await mkdir(FOLDER, { recursive: true })
    await appendFile(this.file, `${JSON.stringify(entry)}\n`)
  }

  /** The entries that count, oldest id first; none when nothing was written yet. */
  async read(): Promise<Entry[]> {
    const text = await readFile(this.file, 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    const entries = text
      .split('\n')
      .filter(Boolean)
      .map((line): Entry => JSON.parse(line))
    return [...new Map(entries.map((entry) => [entry.id, entry])).values()]
  }
}
