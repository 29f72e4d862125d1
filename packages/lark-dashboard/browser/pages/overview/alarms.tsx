/** Problems that belong to no queue: errors of the store itself, and schedules that are late or paused. */
import type { FoundTroubles } from '../../../src/server/look/troubles.ts'
import { href } from '../../data/route.ts'

/** The most lines. The page of the doctor shows all problems. */
const MOST = 10

export function Alarms({ alarms }: { alarms: FoundTroubles['alarms'] }) {
  if (alarms.length === 0) return null
  const sorted = [...alarms].sort((one, other) => one.level.localeCompare(other.level))
  return (
    <ul class="alarms">
      {sorted.slice(0, MOST).map(({ code, level, subject, text }) => (
        <li key={code + subject} class={level === 'error' ? 'bad' : 'quiet'}>
          <a href={href(code.startsWith('outbox') ? 'outbox' : 'doctor')}>{subject}</a>: {text}
        </li>
      ))}
      {alarms.length > MOST && (
        <li>
          <a href={href('doctor')}>{alarms.length - MOST} more</a>
        </li>
      )}
    </ul>
  )
}
