import { Command, flag } from '@s18i/lark'
import { batch } from '@s18i/lark-jobs'
import { DescribeIndexJob } from '../jobs/DescribeIndexJob'
import { ProcessItemJob } from '../jobs/ProcessItemJob'
import { smallBlocks } from '../registry'

export class BuildIndexCommand extends Command {
  readonly key = 'index:build'
  description = 'Put the smallest blocks into the search index, as one batch'
  limit = flag.number('How many blocks', { default: smallBlocks.length, short: 'l' })

  async handle() {
    const items = smallBlocks.slice(0, this.limit)
    const { id } = await batch(items.map((item) => new ProcessItemJob().with({ itemId: item.id })))
      .name('small blocks')
      .onCompleted(new DescribeIndexJob().with())
      .dispatch()

    this.success(`A batch of ${items.length} jobs dispatched: lark jobs:flow ${id} shows how far it is`)
    return true
  }
}
