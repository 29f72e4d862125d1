/**
 * Changes jobs by hand: the jobs with the given ids, or all jobs that meet a filter when they are read. Jobs
 * that are dispatched during the change may be left out.
 */
import { JobsError } from '../../model/errors.ts'
import { groupedBy } from '../../model/grouped.ts'
import type { State } from '../../model/record.ts'
import { fingerprintOf, shortNames } from '../../run/fingerprint.ts'
import { type AlterVerdict, MAX_ITEMS } from '../../store/contract/store.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { type ChangeOptions, type Chosen, isIds, type JobConditions } from '../look/filter.ts'
import { list } from '../look/list.ts'
import { Passage } from '../look/passage.ts'
import { partsDelayed, seenCounts, strandedAmong } from '../look/seen-state.ts'
import { heads, type Located, locateAll, type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'

/** How a call changes jobs. */
export interface Changing {
  /** The states in which a filter finds jobs. */
  states: readonly State[]
  /** Predicts the store's answer for a job, if the job does not change meanwhile. */
  verdict(job: Pick<Located, 'state' | 'runs'> & Partial<Located>): AlterVerdict
  /** Whether `verdict` uses the `runs` of a job. Only then are the `runs` read from the store. */
  readsRuns?: boolean
  /**
   * The error for a job that was named by its id and cannot be changed. Undefined if the job can be changed.
   */
  refusal(job: Located): JobsError | undefined
  /** Changes the given jobs of a partition, each at most once. Stops early when `passage` is over. */
  act(partition: string, jobs: readonly Located[], passage: Passage): Promise<AlterVerdict[]>
}

/** How many jobs got each verdict. */
export type VerdictCounts = Record<AlterVerdict, number>

/** @throws the refusal of a job, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, before any job is changed; UNKNOWN_QUEUE */
export async function changeJobs(
  open: OpenQueues,
  which: Chosen,
  { states, verdict, readsRuns = false, refusal, act }: Changing,
  options: ChangeOptions,
  passage = new Passage(options),
): Promise<VerdictCounts> {
  const { dryRun = false, queue } = options
  const tally: VerdictCounts = { done: 0, asked: 0, missing: 0, refused: 0 }
  const isWhole = dryRun && readsRuns
  if (dryRun && !isWhole && !isIds(which) && isCounted(which)) {
    for (const partition of await partitionsToLookIn(open, which.queue)) {
      const kept = await open.store.counts(partition)
      const delayed = partsDelayed([which.state ?? []].flat())
        ? await strandedAmong(open.store, partition, kept)
        : 0
      const counts = seenCounts({ counts: kept, stranded: { delayed } })
      for (const state of statesOf(which, states)) tally[verdict({ state })] += counts[state]
    }
    return tally
  }
  const check = (job: Located) => {
    const error = refusal(job)
    if (error !== undefined) throw error
  }
  const found = isIds(which)
    ? [await locateAll(open, which, queue, check)]
    : read(open, which, states, isWhole, passage)
  for await (const jobs of found) {
    if (dryRun) for (const job of jobs) tally[verdict(job)]++
    else {
      passage.found(jobs.length)
      for (const [partition, some] of groupedBy(jobs, ({ partition }) => partition))
        for (const answer of await act(partition, some, passage)) tally[answer]++
    }
    if (passage.isOver) break
  }
  return tally
}

/** Whether the store keeps a count of the jobs that the filter chooses. */
export function isCounted(filter: JobConditions): boolean {
  return Object.keys(filter).every((name) => name === 'queue' || name === 'state')
}

function statesOf({ state }: JobConditions, all: readonly State[]): readonly State[] {
  return state === undefined ? all : [...new Set([state].flat())]
}

/**
 * Reads the jobs that meet a filter, partition by partition. If the filter has a kind of failure, the jobs of
 * all partitions are returned together. All jobs of a partition are read before the first job is changed,
 * because a changed job gets another place in the list that is being read, and might appear again.
 */
async function* read(
  open: OpenQueues,
  filter: JobConditions,
  all: readonly State[],
  isWhole: boolean,
  passage: Passage,
): AsyncGenerator<Located[]> {
  const { queue, key } = filter
  const states = statesOf(filter, all)
  // These conditions can be checked with only the ids and keys of jobs, so the records of the jobs are not
  // read.
  if (
    !isWhole &&
    !partsDelayed([filter.state ?? []].flat()) &&
    Object.keys(filter).every((name) => name === 'queue' || name === 'state' || name === 'key')
  ) {
    for (const partition of new Set(await partitionsToLookIn(open, queue))) {
      const jobs: Located[] = []
      for (const state of states)
        for await (const page of heads(open.store, partition, state)) {
          for (const job of page)
            if (key === undefined || job.key === key) jobs.push({ ...job, partition, state })
          await passage.turn()
          if (passage.isOver) return
        }
      yield jobs
    }
    return
  }
  let jobs: Located[] = []
  const hashes = new Set<string>()
  let cursor: string | undefined
  do {
    const page = await list(
      open,
      { ...filter, state: states },
      {
        ...{ limit: MAX_ITEMS, isLean: filter.where === undefined, isStored: filter.state === undefined },
        ...(cursor && { cursor }),
      },
    )
    for (const job of page.jobs) {
      const { id, key, partition, runs } = job
      const state = job.strandedSince === undefined || job.state !== 'waiting' ? job.state : 'delayed'
      if (filter.kind !== undefined) hashes.add(fingerprintOf(job)!.hash)
      else if (jobs[0] !== undefined && jobs[0].partition !== partition) {
        yield jobs
        jobs = []
      }
      jobs.push({ id, key, partition, state, runs })
    }
    cursor = page.cursor
    await passage.turn()
    if (passage.isOver) return
  } while (cursor !== undefined)
  checkOneKind(filter.kind, hashes)
  yield jobs
}

/**
 * Must be called before any job is changed. @throws FILTER_INVALID if the name of the kind stands for several
 * kinds
 */
function checkOneKind(kind: string | undefined, hashes: ReadonlySet<string>): void {
  if (hashes.size <= 1) return
  const names = listed(shortNames([...hashes]).values())
  throw new JobsError('FILTER_INVALID', `Several kinds of failures begin with ${shown(kind)}: ${names}`, {
    exit: 2,
    hint: 'Give as many letters of one of them as are listed.',
  })
}
