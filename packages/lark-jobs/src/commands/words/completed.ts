/**
 * What a shell completes in the arguments and flags of commands: the queues of the configuration, and the
 * keys of the jobs in the project. It asks no store, because the store may be slow or away.
 */
import { loadSettings } from '../../config/config.ts'

/** The values of the field `queue` or `job`. */
export async function completed(field: string): Promise<readonly string[]> {
  if (field !== 'queue' && field !== 'job') return []
  const { queues, folder, paths } = await loadSettings()
  if (field === 'queue') return queues
  const { registryOf } = await import('../../api/work.ts')
  return (await registryOf(undefined, folder, paths)).registry.keys
}
