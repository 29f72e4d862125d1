/**
 * Edits the payload of a job that does not run. The server checks the new payload like the payload of a
 * dispatch.
 */
import { useEffect, useState } from 'preact/hooks'
import type { CallError } from '../../data/call.ts'
import { make, tellWhy } from '../../data/changes.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { escapedJson } from '../../parts/visible.ts'
import { changeWith } from '../jobs/job-verbs.ts'
import type { ShownJob } from './job.tsx'

export function EditPayload({
  job: { id, queue, payload, state },
  whole,
  onClose,
}: {
  job: ShownJob
  /** Loads the whole payload, if the page has only its beginning. */
  whole(): Promise<string>
  onClose(): void
}) {
  const [text, setText] = useState(() => (payload?.hidden === 0 ? editable(payload.json) : undefined))
  useEffect(() => {
    if (text !== undefined) return
    whole().then(
      (json) => setText(editable(json)),
      (error: CallError) => {
        tellWhy(error)
        onClose()
      },
    )
  }, [])
  const problem = text === undefined ? 'Loading …' : problemOf(text)
  const canRetry = ['failed', 'cancelled', 'completed'].includes(state)
  const save = async (retries: boolean) => {
    const edited = await make('jobs.edit', { id, queue, payload: text ?? '' }, () => 'The payload is changed')
    if (edited === undefined) return
    if (retries) await changeWith('retry', { ids: [id], queue })
    onClose()
  }
  return (
    <Dialog title="Edit the payload" onClose={onClose} isWide>
      <textarea
        rows={16}
        aria-label="Payload as JSON"
        spellcheck={false}
        value={text ?? ''}
        disabled={text === undefined}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <p class={problem === undefined ? 'quiet small' : 'bad small'} role="status">
        {problem ??
          'The class of the job checks the payload, if the server of the dashboard knows the class.'}
      </p>
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          Go back
        </button>
        <button type="button" class="main" disabled={problem !== undefined} onClick={() => void save(false)}>
          Save
        </button>
        {canRetry && (
          <button type="button" disabled={problem !== undefined} onClick={() => void save(true)}>
            Save and retry
          </button>
        )}
      </div>
    </Dialog>
  )
}

/** A payload for the editor. Invisible characters are written as escapes, as on the page. */
function editable(json: string): string {
  return escapedJson(JSON.stringify(JSON.parse(json), null, 2))
}

export function problemOf(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `This is not JSON: ${(error as Error).message}`
  }
}
