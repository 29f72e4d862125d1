/**
 * Shows times. The text has the relative time. The title has the exact time, in the viewer's time zone and in
 * UTC.
 */
import { now } from '../data/clock.ts'
import { duration } from './numbers.ts'

const local = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

const hours = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

/** The time of the day in the viewer's time zone, and the date unless it is today: `03:02:11`. */
export function clock(at: number): string {
  const isToday = new Date(at).toDateString() === new Date(now.value).toDateString()
  return isToday ? hours.format(at) : local.format(at)
}

export function exact(at: number): string {
  return `${local.format(at)} · ${new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')}`
}

/**
 * How long ago an instant was, or how soon it will be: `4 min 5 s ago`, `in 12 s`. Screen readers do not
 * announce the changes of this text.
 */
export function Moment({ at }: { at: number }) {
  const ago = now.value - at
  const text =
    Math.abs(ago) < 1_000 ? 'now' : ago > 0 ? `${duration(ago - (ago % 1_000))} ago` : `in ${duration(-ago)}`
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)} aria-live="off">
      {text}
    </time>
  )
}

/** How much time has passed since an instant. */
export function Since({ at }: { at: number }) {
  const ago = Math.max(0, now.value - at)
  return (
    <time dateTime={new Date(at).toISOString()} title={`since ${exact(at)}`}>
      {duration(ago < 1_000 ? ago : ago - (ago % 1_000))}
    </time>
  )
}

export function Duration({ ms }: { ms: number | undefined }) {
  return ms === undefined ? <span class="quiet">–</span> : <span title={`${ms} ms`}>{duration(ms)}</span>
}
