import { Job } from '@s18i/lark-jobs'
import { findBlock } from '../registry'
import { searchIndex, words } from '../search-index'

/** Puts a block into the search index. */
export class ProcessItemJob extends Job {
  async handle(payload: { itemId: string }) {
    const block = findBlock(payload.itemId)
    await searchIndex.write({ id: block.id, words: words(block) })
    return true
  }
}
