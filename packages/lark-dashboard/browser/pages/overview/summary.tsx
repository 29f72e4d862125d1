/**
 * The state of the whole store in one sentence.
 */
import type { LiveQueue } from '../../../src/server/look/live.ts'
import { type HealthKind, healthOf } from '../../data/health.ts'
import { plural } from '../../parts/numbers.ts'

const phrases: readonly [kind: HealthKind, one: string, many: string][] = [
  ['damaged', 'has damaged data', 'have damaged data'],
  ['still', 'stands still', 'stand still'],
  ['late', 'is late', 'are late'],
  ['failing', 'is failing', 'are failing'],
  ['retrying', 'retries many runs', 'retry many runs'],
  ['paused', 'is paused', 'are paused'],
]

export function Summary({ queues, workers }: { queues: readonly LiveQueue[]; workers: number }) {
  const all = queues.map(healthOf)
  const parts = phrases.flatMap(([kind, one, many]) => {
    const found = all.filter((each) => each.kind === kind).length
    return found === 0 ? [] : [`${plural(found, 'queue')} ${found === 1 ? one : many}`]
  })
  const isSick = all.some((each) => each.isSick)
  const well = queues.length === 1 ? 'The queue is well' : `All ${queues.length} queues are well`
  const workerWords =
    workers === 0 ? 'no worker lives' : `${plural(workers, 'worker')} ${workers === 1 ? 'lives' : 'live'}`
  return (
    <p class={isSick || workers === 0 ? 'summary warn' : 'summary quiet'}>
      {queues.length === 0 ? 'There are no queues yet' : parts.length === 0 ? well : parts.join(', ')};{' '}
      {workerWords}.
    </p>
  )
}
