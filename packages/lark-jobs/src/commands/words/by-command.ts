import { defined } from '@s18i/lark/internal'
import type { Jobs } from '../../api/jobs.ts'
import { type Operate, operate } from '../../operate.ts'

/**
 * `operate()` for a command that changes something: the audit says that a command did it.
 *
 * @param names the names of the conditions in messages
 */
export function byCommand(jobs: Jobs, names?: Readonly<Record<string, string>>): Operate {
  return operate(jobs, { actor: { from: 'command' }, ...defined({ names }) })
}
