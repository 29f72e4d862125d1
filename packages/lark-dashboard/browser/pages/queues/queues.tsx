/** The list of all queues (queues with problems come first), or the page of one queue. */
import { healthOf } from '../../data/health.ts'
import { snapshot } from '../../data/live.ts'
import { route } from '../../data/route.ts'
import { Empty, isStale } from '../../parts/empty.tsx'
import { byTrouble, QueueTable } from '../overview/queue-table.tsx'
import { QueuePage } from './queue.tsx'

export default function Queues() {
  const [name] = route.value.rest
  const seen = snapshot.value
  if (seen === undefined) return <Empty>{isStale() ? 'The store has not answered yet' : 'Loading …'}</Empty>
  if (name !== undefined) {
    const queue = seen.queues.find((each) => each.queue === name)
    if (queue === undefined)
      return <Empty>There is no queue {name}, neither configured nor in the store.</Empty>
    return <QueuePage key={name} queue={queue} />
  }
  const sick = seen.queues.filter((queue) => healthOf(queue).rank > 1).length
  return (
    <>
      <div class="page-head">
        <h1>Queues</h1>
        <span class="quiet">
          {seen.queues.length}, {sick === 0 ? 'all well' : `${sick} to look at`}
        </span>
      </div>
      <QueueTable queues={byTrouble(seen.queues)} />
    </>
  )
}
