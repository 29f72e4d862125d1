/**
 * Edits the payloads of all jobs of a kind and retries them. Before the change, the dialog shows the new
 * payloads of some of these jobs.
 */
import type { FailureFilter } from '@s18i/lark-jobs/operate'
import { useState } from 'preact/hooks'
import type { CallError, Output } from '../../data/call.ts'
import { change } from '../../data/change.ts'
import { make } from '../../data/changes.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { plural } from '../../parts/numbers.ts'

interface PatchKindProps {
  filter: FailureFilter & { kind: string }
  onDone(): void
  onClose(): void
}

export function PatchKind({ filter, onDone, onClose }: PatchKindProps) {
  const [patch, setPatch] = useState('{\n  \n}')
  const [tried, setTried] = useState<Output<'failures.patch'> | undefined>(undefined)
  const [problem, setProblem] = useState<string | undefined>(undefined)
  const attempt = async () => {
    try {
      setTried(await change('failures.patch', { filter, patch, dryRun: true }))
      setProblem(undefined)
    } catch (error) {
      setTried(undefined)
      setProblem((error as CallError).message)
    }
  }
  const act = async () => {
    const done = await make('failures.patch', { filter, patch }, ({ edited, retried }) => {
      return `${plural(edited, 'payload')} changed, ${plural(retried, 'job')} queued again`
    })
    if (done === undefined) return
    onClose()
    onDone()
  }
  return (
    <Dialog title="Change the payloads and retry" onClose={onClose} isWide>
      <p class="quiet">
        These fields replace those of each payload; null takes a field away. The others stay as they are.
      </p>
      <textarea
        rows={6}
        aria-label="Changed fields as JSON"
        spellcheck={false}
        value={patch}
        onInput={(event) => {
          setPatch(event.currentTarget.value)
          setTried(undefined)
        }}
      />
      <p class="bad small" role="status">
        {problem}
      </p>
      {tried?.samples.map(({ id, before, after }) => (
        <div key={id} class="patch-sample">
          <code>{id}</code>
          <pre class="patch-before">{before.json.slice(0, 600)}</pre>
          <pre>{after.json.slice(0, 600)}</pre>
        </div>
      ))}
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          Go back
        </button>
        <button type="button" onClick={() => void attempt()}>
          Try it
        </button>
        <button type="button" class="main" disabled={tried === undefined} onClick={() => void act()}>
          {tried === undefined ? 'Change and retry' : `Change and retry ${plural(tried.edited, 'job')}`}
        </button>
      </div>
    </Dialog>
  )
}
