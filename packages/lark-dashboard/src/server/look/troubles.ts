/**
 * Finds the problems that a snapshot leaves out, because it takes longer to find them. All viewers share the
 * answers.
 */
import type { Incident, Operate, PacedChange } from '@s18i/lark-jobs/operate'
import { KeptAnswers } from './kept-answers.ts'

/**
 * Milliseconds for which answers are shared: the incidents, which are cheap to find, and the other problems.
 */
const INCIDENTS_KEPT = 5_000
const REST_KEPT = 60_000
const DAY = 24 * 3_600_000

interface RareTroubles {
  /** The number of schedules that have missed ticks within the last day, or are late. */
  missed: number
  /** The number of errors that the doctor finds. */
  errors: number
}

export interface FoundTroubles extends RareTroubles {
  /** What stands still or fails now, the worst first. */
  incidents: Incident[]
  /** The changes at a pace that go on or are paused, and those that have ended by themselves within a day. */
  changes: PacedChange[]
}

export class Troubles {
  readonly #incidents = new KeptAnswers<Incident[]>(INCIDENTS_KEPT)
  readonly #changes = new KeptAnswers<PacedChange[]>(INCIDENTS_KEPT)
  readonly #ofQueue = new KeptAnswers<Incident[]>(INCIDENTS_KEPT)
  readonly #rest = new KeptAnswers<RareTroubles>(REST_KEPT)

  async now(operate: Operate): Promise<FoundTroubles> {
    const [incidents, changes, rest] = await Promise.all([
      this.#incidents.get('', () => operate.incidents()),
      this.#changes.get('', () => operate.changes.list()),
      this.#rest.get('', () => find(operate)),
    ])
    return { ...rest, incidents, changes: changes.filter(isNews) }
  }

  /** The incident of one queue. @throws UNKNOWN_QUEUE */
  async ofQueue(operate: Operate, queue: string): Promise<Incident[]> {
    return await this.#ofQueue.get(queue, () => operate.incidents({ queue }))
  }
}

function isNews({ state, since = 0 }: PacedChange): boolean {
  if (state === 'failing' || state === 'error') return since > Date.now() - DAY
  return state === 'running' || state === 'paused'
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
