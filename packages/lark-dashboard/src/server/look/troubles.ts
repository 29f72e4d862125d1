/**
 * Finds the problems that the snapshot of each second leaves out, because finding them takes longer. All
 * viewers share the answers.
 */
import type { DoctorFinding, Operate } from '@s18i/lark-jobs/operate'
import { KeptAnswers } from './kept-answers.ts'

/** Milliseconds for which cheap and expensive answers are shared. */
const ALARMS_KEPT = 5_000
const REST_KEPT = 60_000
const DAY = 24 * 3_600_000

interface RareTroubles {
  /** The number of schedules that have missed ticks within the last day, or are late. */
  missed: number
  /** The number of errors that the doctor finds. */
  errors: number
}

export interface FoundTroubles extends RareTroubles {
  /** Problems that belong to no queue: errors of the store itself, and schedules that are late or paused. */
  alarms: DoctorFinding[]
}

export class Troubles {
  readonly #alarms = new KeptAnswers<DoctorFinding[]>(ALARMS_KEPT)
  readonly #rest = new KeptAnswers<RareTroubles>(REST_KEPT)

  async now(operate: Operate): Promise<FoundTroubles> {
    const [alarms, rest] = await Promise.all([
      this.#alarms.get('', async () => (await operate.status()).alarms),
      this.#rest.get('', () => find(operate)),
    ])
    return { ...rest, alarms }
  }
}

async function find(operate: Operate): Promise<RareTroubles> {
  const [schedules, findings] = await Promise.all([operate.schedules.list(), operate.doctor()])
  const since = Date.now() - DAY
  const hasMissed = ({ skipped }: (typeof schedules)[number]) =>
    skipped.some(({ why, to }) => why === 'missed' && to > since)
  const late = findings.filter(({ code, level }) => code === 'schedule-late' && level === 'error')
  const missed = [...schedules.filter(hasMissed).map(({ id }) => id), ...late.map(({ subject }) => subject)]
  return {
    missed: new Set(missed).size,
    errors: findings.filter(({ level }) => level === 'error').length,
  }
}
