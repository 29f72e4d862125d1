/**
 * The values that a shell completes in arguments and flags of commands: the queues of the configuration, and
 * the keys of the jobs in the project. The store is not asked, because it may be slow or unreachable.
 */
import { loadSettings } from '../../config/config.ts'

/** Returns the values for the field `queue` or `job`. */
export async function completed(field: string): Promise<readonly string[]> {
  if (field !== 'queue' && field !== 'job') return []
  const { queues, folder, paths } = await loadSettings()
  if (field === 'queue') return queues
  const { registryOf } = await import('../../api/work.ts')
  return (await registryOf(undefined, folder, paths)).registry.keys
}
