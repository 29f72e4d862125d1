/**
 * The lane of a job, and the permits of a claimer, in the form that the scripts read (`lane.lua`).
 */
import type { NewJob } from '../../../model/record.ts'
import { laneName } from '../../contract/rules/lane.ts'
import { readLaneName } from '../../contract/rules/unreadable.ts'
import type { Want } from '../../contract/store.ts'
import { packLimits } from './pack-limits.ts'

/**
 * The text for the lane of a job: `@` and the name of the lane. If the group has limits or is strict, `~`
 * follows, then `o` for a strict group, and the limits, separated by colons. `~=` means that the group keeps
 * its present limits. For a job without a lane, the text is empty.
 */
export function packLine({ group, limiter }: NewJob): string {
  if (group === undefined && limiter === undefined) return ''
  const lane = `@${laneName(group?.name, limiter)}`
  if (group?.joins) return `${lane}~=`
  if (group?.limits === undefined && !group?.strict) return lane
  const limits = group.limits === undefined ? '' : packLimits(group.limits).replaceAll('|', ':')
  return `${lane}~${group.strict ? 'o' : ''}${limits}`
}

/** @param line a text of `packLine` that is not empty */
export function unpackLine(line: string): ReturnType<typeof readLaneName> {
  const limits = line.indexOf('~')
  return readLaneName(line.slice(1, limits < 0 ? line.length : limits))
}

/**
 * Makes the argument of `exchange.lua` that says how the caller waits for jobs, which permits it has, and how
 * priorities age.
 */
export function packWaiting(waits: string, { permits = {}, aging }: Want): string {
  const counts = Object.entries(permits).map(([limiter, count]) => `${nameOf(limiter)}=${count}`)
  if (aging !== undefined) counts.push(`~=${aging}`)
  return counts.length === 0 ? waits : `${waits};${counts.join(',')}`
}

/** Parses the counts of jobs by limiter that `exchange.lua` returns. */
export function readLimited(text: string): Record<string, number> {
  const parts = text.split(',').map((part) => part.split('='))
  return Object.fromEntries(parts.map(([name, count]) => [decodeURIComponent(name!), Number(count)]))
}

/** The name of a limiter, in the form in which it is part of a lane's name. */
function nameOf(limiter: string): string {
  return laneName('', limiter).slice(1)
}
