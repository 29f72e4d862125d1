/**
 * The overview: one sentence about the store, then the queues (queues with problems come first), and the
 * slots of the workers.
 */

import { snapshot } from '../../data/live.ts'
import { href } from '../../data/route.ts'
import { Empty, isStale } from '../../parts/empty.tsx'
import { EndedRuns } from '../../parts/past/ended-runs.tsx'
import { Section } from '../../parts/section.tsx'
import { Incidents } from './incidents.tsx'
import { byTrouble, QueueTable } from './queue-table.tsx'
import { SlowChanges } from './slow-changes.tsx'
import { Summary } from './summary.tsx'
import { WorkerStrip } from './worker-strip.tsx'

export default function Overview() {
  const seen = snapshot.value
  if (seen === undefined) return <Empty>{isStale() ? 'The store has not answered yet' : 'Loading …'}</Empty>
  return (
    <>
      <h1>Overview</h1>
      <Summary queues={seen.queues} workers={seen.workerCount} />
      <Incidents />
      <SlowChanges />
      <Section id="queues" title={<a href={href('queues')}>Queues</a>}>
        <QueueTable queues={byTrouble(seen.queues)} />
      </Section>
      <EndedRuns />
      <Section id="workers" title={<a href={href('workers')}>Workers</a>}>
        <WorkerStrip workers={seen.workers} count={seen.workerCount} />
      </Section>
    </>
  )
}
