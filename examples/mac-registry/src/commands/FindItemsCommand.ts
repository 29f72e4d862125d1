import { arg, Command } from '@s18i/lark'
import { findBlock } from '../registry'
import { search } from '../search-index'

export class FindItemsCommand extends Command {
  readonly key = 'items:find'
  description = 'Find blocks by the beginnings of words in their registrant, or of their prefix'
  words = arg.strings('For example: cisco sys', { required: true })

  async handle() {
    const found = (await search(this.words.join(' '))).map(findBlock)
    this.table(
      ['id', 'registrant', 'country', 'addresses'],
      found.map((block) => [block.id, block.registrant, block.country, block.size]),
    )
    return found.length > 0
  }
}
