/** The changes that go on slowly, and those that have ended in the last seven days. */
import type { PacedChange } from '@s18i/lark-jobs/operate'
import { useState } from 'preact/hooks'
import { useAsked } from '../../data/asked.ts'
import { make } from '../../data/changes.ts'
import { snapshot } from '../../data/live.ts'
import { href, route } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Question } from '../../parts/dialog.tsx'
import { Answer, Empty } from '../../parts/empty.tsx'
import { plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Section } from '../../parts/section.tsx'
import { Moment } from '../../parts/time.tsx'
import {
  ChangeProgress,
  ChangeState,
  failedAgain,
  isUnderWay,
  paceWords,
  whatWords,
} from './change-words.tsx'

/** Milliseconds between two requests. */
const EVERY = 2_000

export default function Changes() {
  const asked = useAsked('changes.list', {}, EVERY)
  return (
    <>
      <h1>Changes at a pace</h1>
      <Answer asked={asked}>
        {(all) => {
          const going = all.filter(isUnderWay)
          const ended = all.filter((each) => !isUnderWay(each))
          return (
            <>
              {going.length > 0 && snapshot.value?.workerCount === 0 && (
                <p class="warn">
                  No worker is alive, so nothing goes on: see <a href={href('workers')}>Workers</a>.
                </p>
              )}
              <Section id="going" title="Under way">
                {going.length === 0 ? (
                  <Empty>
                    No change goes on. “Retry slowly” begins one: for a kind of{' '}
                    <a href={href('failures')}>failures</a>, or for the{' '}
                    <a href={href('jobs', [], { state: 'failed' })}>failed jobs</a> that you choose by a
                    filter.
                  </Empty>
                ) : (
                  <ChangeRows changes={going} />
                )}
              </Section>
              {ended.length > 0 && (
                <Section id="ended" title="Ended in the last seven days">
                  <ChangeRows changes={ended} />
                </Section>
              )}
            </>
          )
        }}
      </Answer>
    </>
  )
}

function ChangeRows({ changes }: { changes: readonly PacedChange[] }) {
  return (
    <Rows heads={['Change', 'Pace', 'Done', 'Failed again', 'Begun', '']} class="changes">
      <tbody>
        {changes.map((each) => (
          <ChangeRow key={each.id} change={each} />
        ))}
      </tbody>
    </Rows>
  )
}

function ChangeRow({ change }: { change: PacedChange }) {
  const { id, by, begunAt } = change
  const [chosen] = route.value.rest
  return (
    <tr aria-current={chosen === id ? 'true' : undefined}>
      <td class="wide">
        <strong>{whatWords(change)}</strong> <span class="quiet mono small">{id}</span>
        <br />
        <ChangeState change={change} />
      </td>
      <td data-label="pace">{paceWords(change)}</td>
      <td>
        <ChangeProgress change={change} />
      </td>
      <td class="quiet">{failedAgain(change)}</td>
      <td class="quiet" data-label="begun">
        <Moment at={begunAt} /> by {by}
      </td>
      <td>{isUnderWay(change) && <ChangeButtons change={change} />}</td>
    </tr>
  )
}

function ChangeButtons({ change }: { change: PacedChange }) {
  const { id, state, done, left } = change
  const [isAsked, ask] = useState(false)
  if (!may('operate')) return null
  const what = whatWords(change)
  return (
    <span class="change-buttons">
      {state === 'paused' ? (
        <button
          type="button"
          title={`Resume: ${what}`}
          onClick={() => void make('changes.resume', { id }, () => 'The change goes on')}
        >
          Resume
        </button>
      ) : (
        <button
          type="button"
          title={`Pause: ${what}`}
          onClick={() => void make('changes.pause', { id }, () => 'The change is paused')}
        >
          Pause
        </button>
      )}
      <button type="button" class="danger" title={`Stop: ${what}`} onClick={() => ask(true)}>
        Stop
      </button>
      {isAsked && (
        <Question
          title="Stop the change for good?"
          verb={`Stop, and leave ${plural(left, 'job')}`}
          isDangerous
          onAnswer={(yes) => {
            ask(false)
            if (yes)
              void make(
                'changes.stop',
                { id },
                (now) => `Stopped: ${plural(now.left, 'job')} stay as they were`,
              )
          }}
        >
          <p>
            {what}: {plural(done, 'job')} stay changed, and {plural(left, 'job')} stay as they are. A change
            that was stopped cannot be resumed.
          </p>
        </Question>
      )}
    </span>
  )
}
