/**
 * Troubles that the snapshot of each second does not tell, because to find them takes longer. They are asked
 * for at most once a minute, for all viewers together.
 */
import type { DoctorFinding, Operate } from '@s18i/lark-jobs/operate'

/** Milliseconds for which an answer holds. */
const KEPT = 60_000
const DAY = 24 * 3_600_000

export interface FoundTroubles {
  /** Schedules that missed ticks within a day, or are late. */
  missed: number
  /** What the doctor calls errors. */
  errors: number
  /** What no queue shows: errors of the store itself, and schedules that are late or paused. */
  alarms: DoctorFinding[]
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
  const [schedules, findings, { alarms }] = await Promise.all([
    operate.schedules.list(),
    operate.doctor(),
    operate.status(),
  ])
  const since = Date.now() - DAY
  const hasMissed = ({ skipped }: (typeof schedules)[number]) =>
    skipped.some(({ why, to }) => why === 'missed' && to > since)
  const late = findings.filter(({ code, level }) => code === 'schedule-late' && level === 'error')
  const missed = [...schedules.filter(hasMissed).map(({ id }) => id), ...late.map(({ subject }) => subject)]
  return {
    missed: new Set(missed).size,
    errors: findings.filter(({ level }) => level === 'error').length,
    alarms,
  }
}
