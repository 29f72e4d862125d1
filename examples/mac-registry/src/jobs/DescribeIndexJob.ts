import { mkdir, writeFile } from 'node:fs/promises'
import { Job } from '@s18i/lark-jobs'
import { FOLDER } from '../journal'
import { searchIndex } from '../search-index'

/**
 * Writes `var/index.json` at the end of a batch: what the batch has put into the search index, and what the
 * index contains now.
 */
export class DescribeIndexJob extends Job {
  async handle() {
    const { counts } = (await this.flow!.status())!
    const entries = await searchIndex.read()
    const words = new Set(entries.flatMap((entry) => entry.words))
    const index = { added: counts.completed, blocks: entries.length, words: words.size }
    await mkdir(FOLDER, { recursive: true })
    await writeFile(new URL('index.json', FOLDER), `${JSON.stringify(index)}\n`)
    return index
  }
}
