/**
 * The children of a job by their outcome, all together or in pages. The children are named by their keys in
 * BullMQ: `prefix:queue:id`.
 */
export interface Dependencies {
  /** The value that each completed child has returned. */
  processed: Record<string, unknown>
  unprocessed: string[]
  /** The reason of each failure that the job ignores. */
  ignored: Record<string, string>
  /** The children whose failure made the job fail. */
  failed: string[]
}

/** Which children to list, and how many. `cursor` is 0, or the cursor that the previous call returned. */
export type DependenciesOptions = {
  [Kind in keyof Dependencies]?: { cursor?: number; count?: number }
}

/**
 * The requested children, with a cursor for each kind. The cursor is 0 if there are no more children of this
 * kind.
 */
export type JobDependencies = Partial<Dependencies> & {
  [Kind in keyof Dependencies as `next${Capitalize<Kind>}Cursor`]?: number
}

export type DependenciesCount = { [Kind in keyof Dependencies]?: number }

const kinds = ['processed', 'unprocessed', 'ignored', 'failed'] as const
/** The number of children of a kind on a page. */
const PAGE = 20

/**
 * @param opts for each kind of children, the page that is returned. If `opts` names no kind, all children of
 *   all kinds are returned
 */
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

/** @param opts the kinds to count. If it names no kind, all kinds are counted */
export function countsOf(
  all: Dependencies,
  opts: { [Kind in keyof Dependencies]?: boolean },
): DependenciesCount {
  const asked = kinds.filter((kind) => opts[kind])
  const told = asked.length === 0 ? kinds : asked
  return Object.fromEntries(told.map((kind) => [kind, Object.keys(all[kind]).length]))
}
