/** Converts instants to the texts that commands show. An instant is a number of milliseconds since 1970. */
import { readable } from '../../words/duration.ts'

/** How long ago an instant was: `4 min 10 s`. */
export function timeSince(at: number): string {
  return readable(Math.max(0, Date.now() - at))
}

/** The words for an instant in the past, such as `4 min 10 s ago`. */
export function ago(at: number): string {
  return `${timeSince(at)} ago`
}

/** The words for any instant, such as `4 min 10 s ago` or `in 3 h`. */
export function fromNow(at: number): string {
  const away = at - Date.now()
  return away > 0 ? `in ${readable(away)}` : ago(at)
}

/** The date and the time of an instant, such as `2026-11-27 07:00:00 UTC`. */
export function instant(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
