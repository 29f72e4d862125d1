import { defined } from '@s18i/lark/internal'
import type { Jobs } from '../../api/jobs.ts'
import { type Operate, operate } from '../../operate.ts'

/**
 * Calls `operate()` for a command that changes something. The audit then says that a command made the change.
 *
 * @param names the names that messages use for the conditions of a filter
 */
export function byCommand(jobs: Jobs, names?: Readonly<Record<string, string>>): Operate {
  return operate(jobs, { actor: { from: 'command' }, ...defined({ names }) })
}
