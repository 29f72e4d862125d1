import { Command, flag } from '@s18i/lark'
import { ProcessItemJob } from '../jobs/ProcessItemJob'
import { blocks } from '../registry'

export class BulkProcessCommand extends Command {
  readonly key = 'bulk:process'
  description = 'Queue jobs that put the blocks into the search index'
  limit = flag.number('How many blocks', { default: 10_000, short: 'l' })

  async handle() {
    const items = blocks.slice(0, this.limit)
    const batchSize = 100
    const start = performance.now()

    const progress = this.progress(items.length, { label: 'dispatched' })
    for (let i = 0; i < items.length; i += batchSize) {
      const batch = items.slice(i, i + batchSize)
      await Promise.all(batch.map((item) => new ProcessItemJob().dispatch({ itemId: item.id })))
      progress.advance(batch.length)
    }
    progress.finish()

    const rate = (items.length / (performance.now() - start)) * 1000
    this.success(`All ${items.length} jobs dispatched, ${Math.round(rate)} a second`)
    return true
  }
}
