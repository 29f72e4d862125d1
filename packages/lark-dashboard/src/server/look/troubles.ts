/**
 * Troubles that the snapshot of each second does not tell, because to find them takes longer. They are asked
 * for at most once a minute, for all viewers together.
 */
import type { Operate } from '@s18i/lark-jobs/operate'

/** Milliseconds for which an answer holds. */
const KEPT = 60_000
const DAY = 24 * 3_600_000

export interface FoundTroubles {
  /** Schedules that missed ticks within a day. */
  missed: number
  /** What the doctor calls errors. */
  errors: number
}

export class Troubles {
  #found: { at: number; troubles: Promise<FoundTroubles> } | undefined

  now(operate: Operate): Promise<FoundTroubles> {
    if (this.#found !== undefined && performance.now() - this.#found.at < KEPT) return this.#found.troubles
    const found = { at: performance.now(), troubles: find(operate) }
    this.#found = found
    found.troubles.catch(() => {
      if (this.#found === found) this.#found = undefined
    })
    return found.troubles
  }
}

async function find(operate: Operate): Promise<FoundTroubles> {
  const [schedules, findings] = await Promise.all([operate.schedules.list(), operate.doctor()])
  const since = Date.now() - DAY
  const hasMissed = ({ skipped }: (typeof schedules)[number]) =>
    skipped.some(({ why, to }) => why === 'missed' && to > since)
  return {
    missed: schedules.filter(hasMissed).length,
    errors: findings.filter(({ level }) => level === 'error').length,
  }
}
