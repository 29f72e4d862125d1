/**
 * Rules for jobs that run at the same time or one after the other: strict groups, and permits of a limiter.
 */
import { type Causes, overlap, type Story } from './causes.ts'
import type { Evidence, Run } from './evidence.ts'
import type { Found } from './rules.ts'

/** The largest rounding error between the times of store and worker, in milliseconds. */
const ROUNDING = 5

/** In a strict group, no job begins before the previous one has ended, according to the store. */
export function judgeGroups(stories: readonly Story[], causes: Causes, found: Found): void {
  const groups = new Map<string, Story[]>()
  for (const story of stories) {
    const group = story.ask?.group
    if (group === undefined || story.runs.length === 0 || story.kept.length === 0) continue
    groups.set(group, [...(groups.get(group) ?? []), story])
  }
  for (const [group, members] of groups) {
    members.sort((one, other) => one.runs[0]!.at - other.runs[0]!.at)
    for (const [i, story] of members.entries()) {
      const before = members[i - 1]
      if (before === undefined) continue
      const begun = story.runs[0]!.at
      const ended = Math.max(...before.kept.map(({ finishedAt }) => finishedAt ?? Number.POSITIVE_INFINITY))
      if (ended <= begun + ROUNDING || causes.mayBeRewound(before.ask!.at, begun)) continue
      found('out-of-turn', story.n, `of ${group}, begun at ${begun}; ${before.n} ended at ${ended}`)
    }
  }
}

/**
 * No more jobs run at the same time than the limiter has permits. Runs that were affected by a fault do not
 * count, because a handler that still runs after the end of its lease no longer has a permit.
 */
export function judgePermits(evidence: Evidence, found: Found): void {
  const { limiter, runs, lives, faults, standstills } = evidence
  const hits = [...faults.flatMap((fault) => fault.hits), ...standstills]
  const undisturbed = (run: Run, time: { from: number; to: number }) =>
    !hits.some((hit) => (hit.by === undefined || hit.by === run.by) && overlap(hit, time))
  const spans = runs
    .filter(({ kind }) => kind === limiter.kind)
    .map((run) => {
      const died = lives.find(({ name }) => name === run.by)?.to ?? Number.POSITIVE_INFINITY
      return { run, from: run.at, to: run.end?.at ?? Math.min(died, run.at) }
    })
    .filter(({ run, from, to }) => undisturbed(run, { from, to }))
  for (const { run, from } of spans) {
    const count = spans.filter((span) => span.from <= from && span.to > from).length
    if (count > limiter.most)
      found('over-permits', run.n, `${count} run at ${from}, with ${limiter.most} permits`)
  }
}
