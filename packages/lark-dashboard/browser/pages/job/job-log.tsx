/**
 * The log of a job. While the job runs, new lines appear at once. The viewer can filter the lines by level.
 */
import type { LogLine } from '@s18i/lark-jobs/operate'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Empty } from '../../parts/empty.tsx'

const levels = ['all', 'success', 'warn', 'error'] as const
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

export function JobLog({ lines, isLive }: { lines: readonly LogLine[]; isLive: boolean }) {
  const [level, setLevel] = useState<(typeof levels)[number]>('all')
  const [follows, follow] = useState(true)
  const end = useRef<HTMLDivElement>(null)
  const shown = lines.filter((line) => level === 'all' || line.level === level)
  const last = lines.at(-1)
  // The store keeps only the last lines, so their number may stay the same when a line is added.
  const newest = last && `${lines.length} ${last.at} ${last.text}`
  useEffect(() => {
    if (isLive && follows) end.current?.scrollIntoView({ block: 'nearest' })
  }, [newest])
  if (lines.length === 0) return <Empty>{isLive ? 'It has written nothing yet.' : 'It wrote nothing.'}</Empty>
  return (
    <>
      <div class="log-head">
        <label>
          Level{' '}
          <select value={level} onChange={(event) => setLevel(event.currentTarget.value as typeof level)}>
            {levels.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        {isLive && (
          <label>
            <input type="checkbox" checked={follows} onChange={() => follow(!follows)} /> Follow
          </label>
        )}
      </div>
      <ol class="log" aria-label="Log">
        {shown.map(({ at, level, text }, i) => (
          <li key={`${at} ${i}`} class={`log-${level}`}>
            <time dateTime={new Date(at).toISOString()} title={new Date(at).toISOString()}>
              {clock.format(at)}
            </time>
            <span>{text}</span>
          </li>
        ))}
      </ol>
      <div ref={end} />
    </>
  )
}
