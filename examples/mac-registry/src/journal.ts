/**
 * The results of jobs, in the file `var/NAME.jsonl`, with one entry on each line. Entries are only appended,
 * and the last entry of an id counts. So a job that runs twice writes twice and changes nothing, and several
 * workers may write at the same time.
 */
import { appendFile, mkdir, readFile } from 'node:fs/promises'

/** The folder for all files that the jobs write. */
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

  /**
   * Returns the entries that count, in the order in which their ids were first written; empty if nothing was
   * written yet.
   */
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
