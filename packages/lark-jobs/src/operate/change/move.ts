/**
 * Moves waiting and delayed jobs to another queue. `store/contract/moves.ts` explains why a job is never in
 * two places, even if a process or a server dies during the move.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { isMade } from '../../model/id.ts'
import { partitionWith, queueOf } from '../../model/partition.ts'
import type { State } from '../../model/record.ts'
import { bring, bringDue } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { AlterVerdict, Store, TakeVerdict } from '../../store/contract/store.ts'
import { askAll } from '../look/ask-all.ts'
import { type ChangeOptions, type Chosen, isIds, type JobConditions } from '../look/filter.ts'
import { Passage } from '../look/passage.ts'
import { everyPartition, type Located, type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import { movable } from './changed.ts'

/**
 * How many jobs are taken out of a partition in one call. The number is low because the server does nothing
 * else during the call, and each job may have a large payload.
 */
const TOGETHER = 100

/**
 * @throws UNKNOWN_QUEUE if neither the configuration nor the store has the queue, because the name may be
 * misspelled
 */
export async function checkQueue(open: OpenQueues, to: string): Promise<void> {
  if (!open.queues.has(to)) await partitionsToLookIn(open, to)
}

/**
 * Completes earlier moves to the target queue that were interrupted because their process died. Then chooses
 * the jobs to move, without the jobs that are already in the target queue.
 */
export async function sourcesOf(
  open: OpenQueues,
  which: Chosen,
  to: string,
  { queue, dryRun }: ChangeOptions,
): Promise<Chosen> {
  const from = isIds(which) ? queue : await queuesOf(open, which, to)
  const partitions = await partitionsToLookIn(open, from)
  if (!dryRun) await askAll(partitions, (partition) => bringDue(open.store, partition))
  return isIds(which) ? which : { ...which, queue: from! }
}

/** The queues of a filter, without the target queue. */
async function queuesOf(open: OpenQueues, { queue }: JobConditions, to: string): Promise<string[]> {
  const named = queue === undefined ? undefined : [queue].flat()
  const all = named ?? [...(await everyPartition(open)).keys()]
  const others = all.filter((queue) => queue !== to)
  if (named === undefined || others.length > 0) return others
  throw new JobsError('FILTER_INVALID', `Jobs.move(): the jobs of ${to} are in ${to} already`, {
    exit: 2,
    hint: 'Name the queue that has them, and the queue to which they go.',
  })
}

/** The error for a job that was named by its id and cannot be moved. */
export function notMovable({ id, state, partition }: Located, to: string): JobsError | undefined {
  if (!isMovable(state)) {
    const hints: Partial<Record<State, string>> = { active: 'Wait for its end, or cancel it.' }
    const message = `${id} is ${state}; only a job that waits or is delayed can be moved`
    const hint = hints[state] ?? 'To run it again, retry it first, and then move it.'
    return new JobsError('JOB_NOT_MOVABLE', message, { id, hint })
  }
  if (queueOf(partition) !== to) return undefined
  return new JobsError('JOB_NOT_MOVABLE', `${id} is in the queue ${to} already`, { id })
}

function isMovable(state: State): boolean {
  return movable.some((each) => each === state)
}

/**
 * Moves jobs of a partition. @returns a verdict for each job, or only for the first jobs if `passage` was
 * over before the other jobs were moved
 */
export async function moveSome(
  open: OpenQueues,
  partition: string,
  jobs: readonly Pick<Located, 'id'>[],
  to: string,
  passage = new Passage(),
): Promise<AlterVerdict[]> {
  if (queueOf(partition) === to) return jobs.map(() => 'refused')
  const verdicts: AlterVerdict[] = []
  for (const lot of inLots(jobs, TOGETHER)) {
    if (passage.isOver) break
    const ids = lot.map(({ id }) => id)
    const answers = await moveLot(open, partition, ids, to)
    verdicts.push(...answers)
    await passage.passed(lot.length, answers)
  }
  return verdicts
}

async function moveLot(
  { store, queues }: OpenQueues,
  partition: string,
  ids: readonly string[],
  to: string,
): Promise<AlterVerdict[]> {
  const places = await store.moves.where(partition, ids)
  const goals = ids.map((id, i) => {
    const place = places[i]!
    if (place.kind !== 'here') return { id, partition: place.to }
    const { group, lock } = place
    return { id, lock, partition: partitionWith(placeName(id, group ?? lock), to, queues) }
  })
  const isMet = new Map<string, boolean>()
  for (const goal of new Set(goals.map(({ partition }) => partition))) {
    const some = goals.filter((each) => each.partition === goal)
    const met = await store.moves.meets(
      goal,
      some.map(({ id, lock }) => ({ id, ...defined({ lock }) })),
    )
    for (const [i, { id }] of some.entries()) isMet.set(id, met[i]!)
  }
  const goes = goals.filter(({ id }) => !isMet.get(id))
  const taken = await carry(
    store,
    partition,
    goes.map(({ id }) => id),
    goes.map((each) => each.partition),
  )
  return ids.map((id) => taken.get(id) ?? 'refused')
}

/**
 * The name that decides to which partition of its new queue a job goes, by the same rule as in a dispatch.
 * The rule depends on whether the application chose the id. The store does not know who chose an id, but the
 * ids that Lark makes have a recognisable form.
 */
function placeName(id: string, name: string | undefined): string {
  const isOfLark = isMade(id) || id.includes(':')
  return isOfLark ? (name ?? id) : id
}

/** Takes jobs out of a partition, and brings each of them to its new partition. */
export async function carry(
  store: Store,
  partition: string,
  ids: readonly string[],
  to: readonly string[],
): Promise<Map<string, AlterVerdict>> {
  const verdicts = new Map<string, AlterVerdict>()
  let left = ids.map((id, i) => [id, to[i]!] as const)
  while (left.length > 0) {
    const { verdicts: found, jobs } = await store.moves.take(
      partition,
      left.map(([id]) => id),
      left.map(([, to]) => to),
    )
    await bring(store, partition, jobs)
    for (const [i, [id]] of left.entries()) if (found[i] !== 'left') verdicts.set(id, spoken[found[i]!])
    left = left.filter((_, i) => found[i] === 'left')
  }
  return verdicts
}

const spoken: Readonly<Record<TakeVerdict, AlterVerdict>> = {
  taken: 'done',
  refused: 'refused',
  missing: 'missing',
  left: 'refused',
}
