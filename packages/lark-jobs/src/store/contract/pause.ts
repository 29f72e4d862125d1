/**
 * The pause of a partition. Both stores keep it as one text: `0` or nothing, if it is not paused; `1`, if it is paused
 * until somebody resumes it; or when the pause ends, in milliseconds since 1970. Then, if it is known, `|` and why.
 */

/** A pause that has ended counts as none. */
export interface Pause {
  /** Milliseconds since 1970; infinite until somebody resumes. 0: not paused. */
  until: number
  because?: string
}

/** The most characters that are kept of the reason for a pause. */
const MAX_REASON = 200

/**
 * @param text as a store keeps it; if it is damaged, the partition is not paused
 * @param now milliseconds since 1970: a pause that has ended by then is none
 */
export function readPause(text: unknown, now = 0): Pause {
  const [, at = '0', because = ''] = /^(\d+)(?:\|(.*))?$/s.exec(String(text ?? '0')) ?? []
  const until = at === '1' ? Number.POSITIVE_INFINITY : Number(at)
  return until > now ? { until, ...(because !== '' && { because }) } : { until: 0 }
}

/** The reason as it is kept, with its separator. */
export function packReason(because: string | undefined): string {
  return because === undefined || because === '' ? '' : `|${because.slice(0, MAX_REASON)}`
}

export function packPause({ until, because }: Pause): string {
  if (until === 0) return '0'
  return `${until === Number.POSITIVE_INFINITY ? '1' : until}${packReason(because)}`
}
