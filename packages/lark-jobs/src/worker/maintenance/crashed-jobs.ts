/**
 * Tells the hook `crashed` of the jobs that were taken back from a dead worker. A job whose record is not kept any more
 * is left out.
 */
import { queueOf } from '../../model/partition.ts'
import type { Registry } from '../../options/registry.ts'
import type { HookCalls } from '../../run/hooks.ts'
import type { Recovery, Store } from '../../store/contract/store.ts'

/** @param hooks undefined: nobody wants to know */
export async function tellCrashed(
  store: Store,
  registry: Pick<Registry, 'find'>,
  hooks: HookCalls | undefined,
  partition: string,
  { crashed = [], failed }: Recovery,
): Promise<void> {
  if (!hooks?.has('crashed')) return
  for (const id of crashed) {
    const job = await store.get(partition, id)
    if (job !== undefined) hooks.crashed(job, registry.find(job.key), queueOf(partition), failed.includes(id))
  }
}
