/** The workers, each with its slots. Slots in use are filled. */
import type { WorkerRecord } from '@s18i/lark-jobs/operate'
import { href } from '../../data/route.ts'
import { Empty } from '../../parts/empty.tsx'
import { plural } from '../../parts/numbers.ts'

/** The maximum number of slots that are drawn for one worker. */
const MOST_SLOTS = 60
/** The maximum number of workers that are drawn. */
const MOST_WORKERS = 40

export function WorkerStrip({ workers, count }: { workers: readonly WorkerRecord[]; count: number }) {
  if (count === 0) return <Empty>No worker is alive. Start one: npx lark jobs:work</Empty>
  return (
    <ul class="worker-strip">
      {workers.slice(0, MOST_WORKERS).map((worker) => (
        <li key={worker.id}>
          <a class="cut" href={href('workers', [worker.id])} title={worker.id}>
            {worker.host}:{worker.pid}
          </a>
          <Slots worker={worker} />
          <span class="quiet small">
            {worker.running} of {worker.concurrency}
            {worker.state !== 'running' && <span class="warn"> {worker.state}</span>}
          </span>
        </li>
      ))}
      {count > MOST_WORKERS && (
        <li>
          <a href={href('workers')}>{plural(count - MOST_WORKERS, 'more worker')}</a>
        </li>
      )}
    </ul>
  )
}

function Slots({ worker: { running, concurrency } }: { worker: WorkerRecord }) {
  const drawn = Math.min(concurrency, MOST_SLOTS)
  const used = Math.round((running / concurrency) * drawn)
  return (
    <span class="slots" aria-hidden="true">
      {Array.from({ length: drawn }, (_, i) => (
        <i key={i} class={i < used ? 'slot slot-used' : 'slot'} />
      ))}
    </span>
  )
}
