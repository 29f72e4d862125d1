/**
 * Decides which calls are sent again if their connection ends before the answer comes. The kind of the script
 * decides:
 *
 *   read      The script changes nothing, or a second call changes nothing more. The call is sent again.
 *   numbered  The script changes something. Its call has a number, under which the partition remembers the
 *             answer. The call is sent again under this number, and takes effect once (`calls.lua`).
 *   own       The caller (a dispatch or a worker) has its own loop, which repeats the call or reacts to the
 *             outage. This file does not send the call again.
 *
 * No call is sent again after the time limit of the verb. A command outside of a script has the kind `read`,
 * because Lark sends only such commands as may be repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { JobsError } from '../../../model/errors.ts'
import type { lua } from '../scripts.generated.ts'

export type ScriptName = keyof typeof lua.scripts

export type Repetition = 'read' | 'numbered' | 'own'

export const kinds: Readonly<Record<ScriptName, Repetition>> = {
  ...of(
    'read',
    ...([
      'audit-list',
      'counts',
      'flow-ends',
      'flow-fates',
      'flow-get',
      'flow-list',
      'get',
      'histories',
      'journal-read',
    ] as const),
    ...([
      'list',
      'list-active',
      'list-delayed',
      'list-lanes',
      'list-waiting',
      'look-at-limiter',
      'lost-workers',
      'lowered',
      'members',
    ] as const),
    ...(['minutes', 'schedule-get', 'stand', 'standings', 'worker-runs', 'workers'] as const),
    // These scripts write, but a second call changes nothing more and has the same answer.
    ...([
      'announce',
      'apply',
      'audit-write',
      'configure',
      'flow-purge',
      'fold-runs',
      'journal-append',
      'journal-bring',
      'leave',
      'listen',
    ] as const),
    ...(['move-meets', 'move-revoke', 'move-settle', 'move-take', 'move-where'] as const),
    ...(['order-workers', 'prune', 'retire', 'schedule-move', 'wake', 'watch'] as const),
  ),
  ...of(
    'numbered',
    ...([
      'alter',
      'clear',
      'flow-write',
      'move-put',
      'pause-group',
      'reopen',
      'restore',
      'schedule-write',
      'signal',
    ] as const),
    'undo',
  ),
  ...of(
    'own',
    ...([
      'circuit',
      'due',
      'enqueue',
      'exchange',
      'extend',
      'record',
      'renew-permits',
      'note-blocking',
      'note-taken',
      'permit',
      'publish',
      'recover',
      'survey',
    ] as const),
  ),
}

/**
 * The pause before a call is sent again, in milliseconds. Before the first repetition there is no pause.
 * After that, the pause begins with `from`, and doubles each time up to `to`.
 */
const AGAIN = { from: 25, to: 400 }
/**
 * A call is sent again only if this many milliseconds are left, because a late answer ends the link for all
 * calls.
 */
const LEAST = 100

/**
 * Makes a call, and repeats it while it gets no answer.
 *
 * @param deadline by `performance.now()`
 * @throws the last error; STORE_UNCERTAIN for a change that may have been made
 */
export async function repeated<T>(kind: Repetition, deadline: number, send: () => Promise<T>): Promise<T> {
  let uncertain: unknown
  for (let pause = 0; ; pause = Math.min(AGAIN.to, Math.max(AGAIN.from, pause * 2))) {
    try {
      return await send()
    } catch (error) {
      const isUncertain = JobsError.is(error, 'STORE_UNCERTAIN')
      if (isUncertain) uncertain = error
      if (!isUncertain || kind === 'own' || performance.now() + pause + LEAST > deadline)
        throw kind === 'numbered' ? (uncertain ?? error) : error
      if (pause > 0) await sleep(pause)
    }
  }
}

function of<Name extends ScriptName>(kind: Repetition, ...names: Name[]): Record<Name, Repetition> {
  return Object.fromEntries(names.map((name) => [name, kind])) as Record<Name, Repetition>
}
