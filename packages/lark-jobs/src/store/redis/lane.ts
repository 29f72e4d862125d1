/**
 * The lane of a job as the scripts take it (`lua/shared/lane.lua`), and the permits that a claimer brings for those of a
 * limiter.
 */
import type { NewJob } from '../../record.ts'
import { laneName } from '../lane.ts'
import type { Want } from '../store.ts'
import { readLaneName } from '../unreadable.ts'
import { packLimits } from './limits.ts'

/**
 * `@`, the lane, and where its group says something of itself, `~` and its limits: these are parted by colons, and an `o`
 * before them says that the order is strict. Nothing of a job without a lane.
 */
export function packLine({ group, limiter }: NewJob): string {
  if (group === undefined && limiter === undefined) return ''
  const lane = `@${laneName(group?.name, limiter)}`
  if (group?.limits === undefined && !group?.strict) return lane
  const limits = group.limits === undefined ? '' : packLimits(group.limits).replaceAll('|', ':')
  return `${lane}~${group.strict ? 'o' : ''}${limits}`
}

/** @param line with its `@` */
export function unpackLine(line: string): ReturnType<typeof readLaneName> {
  const limits = line.indexOf('~')
  return readLaneName(line.slice(1, limits < 0 ? line.length : limits))
}

/** How a caller waits, the permits that it brings, and how priorities age. */
export function packWaiting(waits: string, { permits = {}, aging }: Want): string {
  const counts = Object.entries(permits).map(([limiter, count]) => `${nameOf(limiter)}=${count}`)
  if (aging !== undefined) counts.push(`~=${aging}`)
  return counts.length === 0 ? waits : `${waits};${counts.join(',')}`
}

/** Of how many jobs of each limiter `exchange.lua` tells. */
export function readLimited(text: string): Record<string, number> {
  const parts = text.split(',').map((part) => part.split('='))
  return Object.fromEntries(parts.map(([name, count]) => [decodeURIComponent(name!), Number(count)]))
}

/** A limiter by itself, as it stands in a lane. */
function nameOf(limiter: string): string {
  return laneName('', limiter).slice(1)
}
