/**
 * The children of a job by what became of them, and pages of these. They are named by their keys in BullMQ:
 * `prefix:queue:id`.
 */
export interface Dependencies {
  /** What each has returned. */
  processed: Record<string, unknown>
  unprocessed: string[]
  /** Why each has failed of those whose failure the job does without. */
  ignored: Record<string, string>
  /** Those because of which the job has failed. */
  failed: string[]
}

/** Which children to tell, and how many: a `cursor` is 0, or that of the call before. */
export type DependenciesOptions = {
  [Kind in keyof Dependencies]?: { cursor?: number; count?: number }
}

/** The children that were asked for, with a cursor for each kind: 0 if there are no more. */
export type JobDependencies = Partial<Dependencies> & {
  [Kind in keyof Dependencies as `next${Capitalize<Kind>}Cursor`]?: number
}

export type DependenciesCount = { [Kind in keyof Dependencies]?: number }

const kinds = ['processed', 'unprocessed', 'ignored', 'failed'] as const
/** How many children of a kind a page has. */
const PAGE = 20

/** @param opts none: all of them */
export function pagesOf(all: Dependencies, opts: DependenciesOptions): JobDependencies {
  const asked = kinds.filter((kind) => opts[kind])
  if (asked.length === 0) return all
  const pages = asked.map((kind) => {
    const { cursor = 0, count = PAGE } = opts[kind]!
    const children = Object.entries(all[kind]).slice(cursor, cursor + count)
    const page = Array.isArray(all[kind]) ? children.map(([, key]) => key) : Object.fromEntries(children)
    const isMore = cursor + count < Object.keys(all[kind]).length
    const name = `next${kind[0]!.toUpperCase()}${kind.slice(1)}Cursor`
    return { [kind]: page, [name]: isMore ? cursor + count : 0 }
  })
  return Object.assign({}, ...pages)
}

/** @param opts none: all of them */
export function countsOf(
  all: Dependencies,
  opts: { [Kind in keyof Dependencies]?: boolean },
): DependenciesCount {
  const asked = kinds.filter((kind) => opts[kind])
  const told = asked.length === 0 ? kinds : asked
  return Object.fromEntries(told.map((kind) => [kind, Object.keys(all[kind]).length]))
}
