/** Asks the viewer how fast jobs are to be changed, says how many there are, and begins the change. */
import { useEffect, useState } from 'preact/hooks'
import type { CallError, Input } from '../../data/call.ts'
import { change } from '../../data/change.ts'
import { changed, notify } from '../../data/changes.ts'
import { go, href } from '../../data/route.ts'
import { Dialog } from '../../parts/dialog.tsx'
import { count, duration, plural } from '../../parts/numbers.ts'
import { QueueChoice, queuesBeside } from '../jobs/move-jobs.tsx'
import { paceWords, timeFor } from './change-words.tsx'

export type SlowVerb = 'retry' | 'run-now' | 'move'

/** The title of the button that opens the dialog, and the verb of the button that begins the change. */
export const slowTitles: Readonly<Record<SlowVerb, readonly [open: string, begin: string]>> = {
  retry: ['Retry slowly', 'Retry'],
  'run-now': ['Run now, slowly', 'Run now'],
  move: ['Move slowly', 'Move'],
}

const times = [
  ['10s', 10_000],
  ['1m', 60_000],
  ['10m', 600_000],
  ['1h', 3_600_000],
] as const

interface BeginChangeProps {
  verb: SlowVerb
  filter: Input<'changes.begin'>['filter']
  /** The jobs in words, such as `failed jobs of emails`. */
  what: string
  onClose(): void
}

export function BeginChange({ verb, filter, what, onClose }: BeginChangeProps) {
  const queue = 'queue' in filter && typeof filter.queue === 'string' ? filter.queue : undefined
  const [queues] = useState(() => (verb === 'move' ? queuesBeside(new Set([queue])) : []))
  const [to, setTo] = useState(queues[0] ?? '')
  const [limit, setLimit] = useState('500')
  const [per, setPer] = useState<(typeof times)[number][0]>('1m')
  const [share, setShare] = useState('50')
  const [problem, setProblem] = useState<string | undefined>(undefined)
  const [isBeginning, begins] = useState(false)
  const watches = verb !== 'move'
  const input = {
    ...{ change: verb, filter, limit: Number(limit), per },
    ...(watches && { maxFailed: `${share}%` }),
    ...(verb === 'move' && { to }),
  }
  const total = useTotal({ change: verb, filter, limit: 1, ...(verb === 'move' && { to }) }, setProblem)
  const isWhole = /^[1-9]\d*$/.test(limit)
  const pace = { limit: Number(limit), per: times.find(([name]) => name === per)![1] }
  const isReady =
    !isBeginning && isWhole && total !== undefined && total > 0 && (verb !== 'move' || to !== '')
  const begin = async () => {
    begins(true)
    try {
      const begun = await change('changes.begin', input)
      notify({ text: `Begun: ${plural(begun.total, 'job')}, ${paceWords(begun)}`, isBad: false })
      changed.value++
      onClose()
      go(href('changes', [begun.id]))
    } catch (error) {
      setProblem((error as CallError).message)
      begins(false)
    }
  }
  const [title, word] = slowTitles[verb]
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="begin-change"
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady) void begin()
        }}
      >
        <p>
          {total === undefined ? 'Counting the jobs …' : `${plural(total, 'job')}:`} {what}
        </p>
        {verb === 'move' && <QueueChoice queues={queues} to={to} onChoose={setTo} />}
        <p>
          <label>
            At most{' '}
            <input
              inputMode="numeric"
              size={6}
              value={limit}
              aria-invalid={!isWhole}
              onInput={(event) => setLimit(event.currentTarget.value.trim())}
            />
          </label>{' '}
          <label>
            jobs in{' '}
            <select value={per} onChange={(event) => setPer(event.currentTarget.value as typeof per)}>
              {times.map(([name, ms]) => (
                <option key={name} value={name}>
                  {duration(ms)}
                </option>
              ))}
            </select>
          </label>
        </p>
        {watches && (
          <p>
            <label>
              Stop if{' '}
              <input
                inputMode="decimal"
                size={3}
                value={share}
                onInput={(event) => setShare(event.currentTarget.value.trim())}
              />{' '}
              % of the last 100 jobs fail again
            </label>
          </p>
        )}
        <p class="quiet">
          {isWhole && total !== undefined && total > 0 && `Some ${duration(timeFor(total, pace))} in all. `}
          It goes on by itself while any worker lives, and can be paused and stopped.
        </p>
        <p class="bad small" role="status">
          {problem}
        </p>
        <div class="dialog-buttons">
          <button type="button" onClick={onClose}>
            Go back
          </button>
          <button type="submit" class="main" disabled={!isReady}>
            {total === undefined ? title : `${word} ${count(total)} ${total === 1 ? 'job' : 'jobs'} slowly`}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** How many jobs a change would change; undefined until the server has counted them. */
function useTotal(
  input: Input<'changes.begin'>,
  onProblem: (problem: string | undefined) => void,
): number | undefined {
  const [total, setTotal] = useState<number | undefined>(undefined)
  const { to } = input
  useEffect(() => {
    let isOver = false
    setTotal(undefined)
    // A move needs a queue, and without another queue there is none.
    if (to === '') return
    change('changes.begin', { ...input, dryRun: true }).then(
      (found) => {
        if (!isOver) setTotal(found.total)
      },
      (error: CallError) => {
        if (!isOver) onProblem(error.message)
      },
    )
    return () => {
      isOver = true
    }
  }, [to])
  return total
}
