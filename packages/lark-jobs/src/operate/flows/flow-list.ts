/**
 * Lists flows page by page. The flows that were dispatched last come first. Each partition keeps its flows in
 * the order in which they were made, so a page merges the next flows of all partitions. For each partition, a
 * cursor has a mark: the last flow of the partition that the list has passed. A call reads only a few pages
 * of each partition, even if few flows meet the filter.
 */
import { FlowRecords } from '../../flow/flow-records.ts'
import { JobsError } from '../../model/errors.ts'
import { flag, isText, type OptionsOf, oneOf, option, whole } from '../../options/schema.ts'
import type { Store, StoredFlow } from '../../store/contract/store.ts'
import { askAll } from '../look/ask-all.ts'
import { Cursors } from '../look/cursor.ts'
import { checkFilter, conditions, type Flags, queueName } from '../look/filter.ts'
import { sinceCondition, sinceInstantIn } from '../look/since.ts'
import { partitionsToLookIn } from '../look/stored-jobs.ts'
import { type FlowInfo, flowKinds, flowStates, infoOf, type OpenFlows } from './flow-info.ts'
import type { FlowRef } from './flow-parts.ts'

/**
 * How many flows of a partition are read in one call. The number is low because the texts of flows may be
 * large.
 */
const AT_A_TIME = 100
/** The maximum number of flows that a call reads in each partition. */
const LOOKS = 1_000
/** A time that is later than the dispatch of every flow. */
const NEWEST = Number.MAX_SAFE_INTEGER

const filterConditions = conditions({
  /** Only chains, batches or workflows: `chain`, `batch` or `workflow`. */
  kind: oneOf(flowKinds),
  /** Only flows in this state. */
  state: oneOf(flowStates),
  /** Only flows with this name. */
  name: option<string>('the name of a flow', isText),
  /** Only flows with this tag. */
  tag: option<string>('a tag', isText),
  /** Only flows whose home is a partition of this queue. */
  queue: queueName,
  /** Only flows that were dispatched since this time: an instant, or how long ago. */
  since: sinceCondition,
  /**
   * Whether to include flows that are nodes of other flows, and flows that a job has started with `runJob`.
   * Default false.
   */
  nested: flag(),
})

const optionsConditions = conditions({
  /** The cursor of the previous page, with the same filter. */
  cursor: option<string>('the cursor of a page', isText),
  /** The maximum number of flows on the page. Default 100. */
  limit: whole(1, 1_000),
})

/**
 * Conditions that choose flows. A flow must meet all of them. Default: all flows that are not nodes of other
 * flows.
 */
export interface FlowFilter extends OptionsOf<typeof filterConditions.entries> {}

export interface FlowListOptions extends OptionsOf<typeof optionsConditions.entries> {}

/** A flow whose data in the store was not written by Lark. */
export interface DamagedFlow {
  /**
   * The id of the flow. The id is absent if the store cannot say which flow is damaged. In this case, the
   * list leaves out the later flows of the partition.
   */
  id?: string
  /** The partition that keeps the flow. */
  home: string
  code: string
  message: string
}

/** A page of a list of flows. */
export interface FlowPage {
  flows: FlowInfo[]
  /** Where the next page begins. Absent if there are no more flows. */
  cursor?: string
  /** Flows that cannot be read, no matter what the filter says. */
  damaged: DamagedFlow[]
}

/**
 * How far a list has come in a partition: the last flow that it has passed, and when that flow was
 * dispatched.
 */
type FlowMark = [id: string, at: number]
/**
 * The instants between which the listed flows were dispatched, and a mark for each partition in which the
 * list has passed a flow.
 */
type FlowCursor = [from: number, until: number | null, marks: Record<string, FlowMark>]

/**
 * A flow that a call has found. `at`: no flow that comes after this flow in its partition was dispatched
 * later than this time.
 */
interface PassedFlow extends FlowRef {
  at: number
  /** The data of the flow, if it meets the filter. */
  info?: FlowInfo
  damaged?: DamagedFlow
}

/**
 * The flows that a call has found in a partition, the newest first. `isCut`: whether the partition may have
 * more flows to list. `damage`: a damaged flow in the partition.
 */
interface FoundFlows {
  passed: PassedFlow[]
  isCut: boolean
  damage?: DamagedFlow
}

/** @throws FILTER_INVALID */
export function checkFlows(filter: unknown, options: unknown, flags?: Flags): void {
  checkFilter('flows.list()', filter, filterConditions, { flags })
  checkFilter('flows.list()', options, optionsConditions, { flags, whole: 'the second argument' })
}

/** @throws CURSOR_INVALID, UNKNOWN_QUEUE @param filter must be checked already, like `options` */
export async function listFlows(
  open: OpenFlows,
  filter: FlowFilter,
  { cursor, limit = 100 }: FlowListOptions = {},
  flags?: Flags,
): Promise<FlowPage> {
  const { store, settings } = open
  const { queue, since } = filter
  const cursors = new Cursors<FlowCursor>('flows.list()', [
    'flows',
    Object.entries(filter).sort(),
    store.isRemote,
  ])
  // All pages of a list use the instant at which the first page was read.
  const [from, until, marks]: FlowCursor =
    cursor === undefined ? [await sinceInstantIn(store, since), null, {}] : cursors.read(cursor, flags)
  const homes = await partitionsToLookIn({ store, queues: settings.partitions }, queue)
  const found = await askAll(homes, (home) => {
    const within = { from, until: until ?? NEWEST, mark: marks[home] }
    return newest(store, home, filter, within, limit)
  })
  const passed = merged(found, limit)
  for (const { id, home, at } of passed) marks[home] = [id, at]
  const count = found.reduce((sum, each) => sum + each.passed.length, 0)
  const isMore = passed.length < count || found.some(({ isCut }) => isCut)
  const last = passed.at(-1)?.at ?? until
  return {
    flows: passed.flatMap(({ info }) => info ?? []),
    damaged: [
      ...passed.flatMap(({ damaged }) => damaged ?? []),
      ...found.flatMap(({ damage }) => damage ?? []),
    ],
    ...(isMore && { cursor: cursors.write([from, last, marks]) }),
  }
}

/**
 * Merges the flows that were found in all partitions into a page of up to `limit` flows that meet the filter.
 * The page ends early if the next flow of the list may be a flow that was not read yet.
 */
function merged(found: readonly FoundFlows[], limit: number): PassedFlow[] {
  const cut = Math.max(0, ...found.map(({ passed, isCut }) => (isCut ? (passed.at(-1)?.at ?? 0) : 0)))
  const all = found
    .flatMap(({ passed }) => passed)
    .filter(({ at }) => at >= cut)
    .sort((one, other) => other.at - one.at)
  let left = limit
  const end = all.findIndex(
    ({ info, damaged }) => (info !== undefined || damaged !== undefined) && left-- === 0,
  )
  return end < 0 ? all : all.slice(0, end)
}

/**
 * Reads the flows of a partition after the mark of the previous page, until `limit` flows have met the
 * filter.
 */
async function newest(
  store: Store,
  home: string,
  filter: FlowFilter,
  { from, until, mark }: { from: number; until: number; mark: FlowMark | undefined },
  limit: number,
): Promise<FoundFlows> {
  const records = new FlowRecords(store)
  const passed: PassedFlow[] = []
  try {
    return { passed, isCut: await read() }
  } catch (error) {
    if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
    return { passed, isCut: false, damage: { home, code: error.code, message: error.message } }
  }

  /** Reads the next flows. @returns whether the partition may have more flows */
  async function read(): Promise<boolean> {
    // If the flow of the mark is no longer kept, the list starts at the newest flow of this partition again,
    // and skips flows that are newer than the mark.
    const isKept = mark !== undefined && (await store.flows.get(home, mark[0])).found !== undefined
    let [before, at]: [string | undefined, number] = isKept ? mark : [undefined, NEWEST]
    let left = limit
    for (let looks = 0; looks < LOOKS; looks += AT_A_TIME) {
      const page = await store.flows.list(home, AT_A_TIME, before)
      before = page.at(-1)?.id
      if (before === undefined) return false
      for (const each of page) {
        if (left === 0) return true
        const read = readFlow(records, home, each)
        const own = 'info' in read ? read.info.at : at
        if (own < from) return false
        at = Math.min(at, own)
        const shown = at > until || ('info' in read && !meets(read.info, filter)) ? {} : read
        if ('info' in shown || 'damaged' in shown) left -= 1
        passed.push({ id: each.id, home, at, ...shown })
      }
    }
    return true
  }
}

function readFlow(
  records: FlowRecords,
  home: string,
  stored: Omit<StoredFlow, 'news'>,
): { info: FlowInfo } | { damaged: DamagedFlow } {
  try {
    return { info: infoOf(records.parse(home, { ...stored, news: [] }, 0)) }
  } catch (error) {
    // An error that is not a `JobsError` comes from JSON that does not have the form of a flow.
    const message = JobsError.is(error) ? error.message : `The flow ${stored.id} in ${home} is not readable`
    return { damaged: { id: stored.id, home, code: 'STORE_DAMAGED', message } }
  }
}

function meets(info: FlowInfo, { kind, state, name, tag, nested = false }: FlowFilter): boolean {
  return (
    (kind === undefined || info.kind === kind) &&
    (state === undefined || info.state === state) &&
    (name === undefined || info.name === name) &&
    (tag === undefined || info.tags?.includes(tag) === true) &&
    (nested || (info.parent ?? info.parentJob) === undefined)
  )
}
