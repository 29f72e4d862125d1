/** The changes at a pace that go on, are paused, or have ended by themselves within a day. */
import { href } from '../../data/route.ts'
import { slowChanges } from '../../frame/troubles.ts'
import { ChangeProgress, ChangeState, paceWords, whatWords } from '../changes/change-words.tsx'

/** The maximum number of changes that are shown. The page of the changes has all of them. */
const MOST = 5

export function SlowChanges() {
  const all = slowChanges.value
  if (all.length === 0) return null
  return (
    <section aria-label="Changes at a pace">
      <ul class="slow-changes">
        {all.slice(0, MOST).map((change) => (
          <li key={change.id}>
            <a href={href('changes', [change.id])}>{whatWords(change)}</a>, {paceWords(change)}:{' '}
            <ChangeProgress change={change} />; <ChangeState change={change} />
          </li>
        ))}
      </ul>
      {all.length > MOST && (
        <p>
          <a href={href('changes')}>{all.length - MOST} more</a>
        </p>
      )}
    </section>
  )
}
