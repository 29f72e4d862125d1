import { flag } from '@s18i/lark'
import { nameOf, OrderCommand, PATIENCE } from './worker-orders.ts'

/**
 * `lark jobs:restart`: tells the workers of the store to finish their jobs and exit, so that the service
 * manager starts them again.
 */
export class JobsRestartCommand extends OrderCommand {
  readonly key = 'jobs:restart'
  override description = 'Tell workers to finish what runs and to restart, after a deploy'
  wait = flag.boolean('Wait until all of them have ended')
  timeout = flag.string(`How long to wait (default: ${PATIENCE})`)

  async handle(): Promise<number> {
    return await this.order({
      give: async (workers, which) => {
        const told = await workers.restart(which)
        for (const worker of told.left)
          this.warn(`${nameOf(worker)} goes on: an application has its process, so restart that`)
        return told
      },
      what: 'restart',
      remark: ({ workers }) =>
        workers.some(({ supervised }) => supervised)
          ? 'Supervisors of --processes go on as they are: restart them too after an upgrade of Lark'
          : undefined,
      obeys: () => undefined,
      answer: (told, waiting) => ({ ...told, waiting }),
    })
  }
}
