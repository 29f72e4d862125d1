/**
 * Finds the events that may explain the charts of the past: according to the audit, a person paused or
 * resumed a queue or restarted workers; or workers with another version of Lark started.
 */
import type { AuditEntry, Operate } from '@s18i/lark-jobs/operate'

/** The maximum number of marks of a chart. Only the latest marks are kept. */
const MOST = 40
/** The maximum number of pages of the audit that are searched, and of entries on a page. */
const PAGES = 5
const PAGE = 1_000

export interface Mark {
  /** Milliseconds since 1970. */
  at: number
  title: string
}

const verbs: Partial<Record<AuditEntry['what'], string>> = {
  pause: 'paused',
  resume: 'resumed',
  'restart-workers': 'restarted',
}

/**
 * The marks since a given time, the earliest first.
 *
 * @param from milliseconds since 1970
 * @param queue only changes of this queue, of all queues, or of workers
 */
export async function changesSince(operate: Operate, from: number, queue?: string): Promise<Mark[]> {
  const marks: Mark[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < PAGES && marks.length < MOST; pages++) {
    const more = cursor === undefined ? {} : { cursor }
    const page = await operate.audit({ since: new Date(from), limit: PAGE, ...more })
    marks.push(...page.entries.flatMap((entry) => markOf(entry, queue) ?? []))
    cursor = page.cursor
    if (cursor === undefined) break
  }
  return marks.slice(0, MOST).reverse()
}

function markOf({ at, what, on, who, outcome }: AuditEntry, queue: string | undefined): Mark | undefined {
  const verb = verbs[what]
  if (verb === undefined || outcome === 'failed') return undefined
  const isMeant =
    queue === undefined ||
    what === 'restart-workers' ||
    on === 'every queue' ||
    on === `queue ${queue}` ||
    on.endsWith(` of queue ${queue}`)
  return isMeant ? { at, title: `${on} ${verb} by ${who}` } : undefined
}
