/**
 * Calls the hook `crashed` and the telemetry for the jobs that were taken back from a dead worker. A job
 * whose record is no longer stored is left out. `store/contract/rules/after-run.ts#afterDeath` decides which
 * jobs have crashed too often.
 */
import { queueOf } from '../../model/partition.ts'
import type { TelemetryCalls } from '../../model/run/telemetry.ts'
import type { Registry } from '../../options/registry.ts'
import type { HookCalls } from '../../run/hooks.ts'
import type { Recovery, Store } from '../../store/contract/store.ts'

/** @param hooks undefined if the application has no hooks */
export async function tellCrashed(
  store: Store,
  registry: Pick<Registry, 'find'>,
  hooks: HookCalls | undefined,
  partition: string,
  { crashed = [], failed }: Recovery,
  telemetry?: TelemetryCalls,
): Promise<void> {
  if (!hooks?.has('crashed') && telemetry === undefined) return
  const queue = queueOf(partition)
  for (const id of crashed) {
    const job = await store.get(partition, id)
    if (job === undefined) continue
    const jobClass = registry.find(job.key)
    const error = job.errors.findLast(({ code }) => code === 'WORKER_DIED')
    if (error !== undefined)
      telemetry?.crashed({ job, queue, partition, key: jobClass?.key ?? job.key, error })
    if (hooks?.has('crashed')) hooks.crashed(job, jobClass, queue, failed.includes(id))
  }
}
