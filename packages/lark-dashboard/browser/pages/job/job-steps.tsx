/**
 * The steps of a job and the signals that were sent to it. A viewer may send a signal, and let a step run
 * again.
 */
import type { JobSteps, StepState } from '@s18i/lark-jobs/operate'
import { useState } from 'preact/hooks'
import { make } from '../../data/changes.ts'
import { href } from '../../data/route.ts'
import { may } from '../../data/viewer.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { bytes, plural } from '../../parts/numbers.ts'
import { Rows } from '../../parts/rows.tsx'
import { Duration, Moment } from '../../parts/time.tsx'
import { problemOf } from './edit-payload.tsx'

/** Steps in these states run again anyway, so the viewer does not have to choose this. */
const runAgain: readonly StepState[] = ['undone', 'forgotten']

interface StepsProps {
  steps: JobSteps
  again(): void
}

export function StepList({ steps: found, again }: StepsProps) {
  const { id, queue, state, steps, signals, undoing, damaged } = found
  const forget = (key: string, name: string) =>
    void make('jobs.forget', { id, queue, names: [key] }, () => `${name} runs again`).then(again)
  return (
    <>
      {undoing && <p>Its steps are undone, and then it ends.</p>}
      {damaged !== undefined && (
        <p class="problem">{plural(damaged, 'entry', 'entries')} of the journal cannot be read.</p>
      )}
      {steps.length > 0 && (
        <Rows heads={['Step', 'State', { number: 'Took' }, 'Ended', { number: 'Size' }, '']}>
          <tbody>
            {steps.map((step) => (
              <tr key={step.key}>
                <td>{step.name}</td>
                <td>
                  {step.state}
                  {step.signal !== undefined && `, by ${step.signal}`}
                  {step.child !== undefined && (
                    <>
                      : job <a href={href('jobs', [step.child.id])}>{step.child.id}</a>
                      {step.child.state !== undefined && ` (${step.child.state}`}
                      {step.child.note !== undefined && `, ${step.child.note}`}
                      {step.child.state !== undefined && ')'}
                    </>
                  )}
                  {step.failed !== undefined && `, ${plural(step.failed, 'try', 'tries')} failed`}
                  {step.until !== undefined && (
                    <>
                      , <Moment at={step.until} />
                    </>
                  )}
                </td>
                <td class="number">{step.took !== undefined && <Duration ms={step.took} />}</td>
                <td>{step.at !== undefined && <Moment at={step.at} />}</td>
                <td class="number">{step.size !== undefined && bytes(step.size)}</td>
                <td>
                  {may('operate') && state !== 'active' && !runAgain.includes(step.state) && (
                    <button type="button" class="plain" onClick={() => forget(step.key, step.name)}>
                      Forget
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </Rows>
      )}
      {signals.length > 0 && (
        <ul aria-label="Signals">
          {signals.map(({ name, isTaken, size }, n) => (
            <li key={n}>
              Signal {name}: {isTaken ? 'taken' : 'kept'}
              {size !== undefined && `, ${bytes(size)}`}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

/** Shows a button for each signal that the job waits for. */
export function SendButtons({ steps: { id, queue, waitsFor = [] }, again }: StepsProps) {
  const [sent, send] = useState<string | undefined>(undefined)
  if (!may('operate')) return null
  return (
    <>
      {waitsFor.map((name) => (
        <button key={name} type="button" onClick={() => send(name)}>
          Send {name}
        </button>
      ))}
      {sent !== undefined && (
        <SendSignal
          {...{ id, queue, name: sent }}
          onClose={() => {
            send(undefined)
            again()
          }}
        />
      )}
    </>
  )
}

function SendSignal(props: { id: string; queue: string; name: string; onClose(): void }) {
  const { id, queue, name, onClose } = props
  const [text, setText] = useState('')
  const problem = text.trim() === '' ? undefined : problemOf(text)
  const send = async () => {
    const input = { id, queue, signal: name, ...(text.trim() !== '' && { value: text }) }
    const answer = await make('jobs.send', input, ({ sent }) =>
      sent ? `${name} is sent` : 'The job has ended, and takes no signal',
    )
    if (answer !== undefined) onClose()
  }
  return (
    <Dialog title={`Send the signal ${name}`} onClose={onClose}>
      <textarea
        rows={6}
        aria-label="Value as JSON"
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <p class={problem === undefined ? 'quiet small' : 'bad small'} role="status">
        {problem ?? 'Its value is JSON, or nothing. No schema checks it.'}
      </p>
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          Go back
        </button>
        <button type="button" class="main" disabled={problem !== undefined} onClick={() => void send()}>
          Send {name}
        </button>
      </div>
    </Dialog>
  )
}
