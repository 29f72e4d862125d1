/**
 * A row for each queue: its jobs, the age of its oldest job compared with its target, its speed, and why it
 * is stuck.
 */
import type { LiveQueue } from '../../../src/server/look/live.ts'
import { useAsked } from '../../data/asked.ts'
import { type Health, healthOf } from '../../data/health.ts'
import { href } from '../../data/route.ts'
import { count, duration, rate, share } from '../../parts/numbers.ts'
import { Trend } from '../../parts/past/trend.tsx'

/**
 * Milliseconds between two requests for the trends. The interval is long because the values are for whole
 * minutes.
 */
const EVERY = 15_000

export function QueueTable({ queues }: { queues: readonly LiveQueue[] }) {
  const trends = useAsked('trends', {}, EVERY).data?.queues ?? {}
  return (
    <div class="scroll">
      <table class="rows queue-table">
        <thead>
          <tr>
            <th>Queue</th>
            <th>State</th>
            <th class="number">Waiting</th>
            <th class="number">Retrying</th>
            <th class="number">Active</th>
            <th>Oldest</th>
            <th class="number">In/s</th>
            <th class="number">Out/s</th>
            <th>
              <span class="hidden-text">Trend</span>
            </th>
            <th class="number">Wait p95</th>
            <th class="number">Failed</th>
            <th class="number">Workers</th>
          </tr>
        </thead>
        <tbody>
          {queues.map((queue) => (
            <QueueRow key={queue.queue} queue={queue} trend={trends[queue.queue] ?? []} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Sorts queues: queues with problems come first. */
export function byTrouble(queues: readonly LiveQueue[]): LiveQueue[] {
  return [...queues].sort((one, other) => {
    const rank = healthOf(other).rank - healthOf(one).rank
    return rank || (other.oldest ?? 0) - (one.oldest ?? 0) || one.queue.localeCompare(other.queue)
  })
}

function QueueRow({ queue, trend }: { queue: LiveQueue; trend: readonly number[] }) {
  const { queue: name, counts, retrying, lastHour, wait, workers } = queue
  const health = healthOf(queue)
  const runs = lastHour.completed + lastHour.failed + lastHour.retried
  return (
    <tr class={`queue-row queue-${health.kind} ${health.isBad ? 'queue-bad' : ''}`}>
      <td>
        <a data-row href={href('queues', [name])}>
          {name}
        </a>
      </td>
      <td class="queue-state">
        <span class="queue-health" title={health.text}>
          {wordsOf(health)}
        </span>
      </td>
      <td class="number" data-label="waiting">
        <Jobs queue={name} state="waiting" value={counts.waiting} />
      </td>
      <td class="number" data-label="retrying">
        <span
          class={retrying === 0 ? 'quiet' : 'warn'}
          title="Jobs that have failed, and wait for their next try"
        >
          {count(retrying)}
        </span>
      </td>
      <td class="number" data-label="active">
        <Jobs queue={name} state="active" value={counts.active} />
      </td>
      <td data-label="oldest">
        <Oldest queue={queue} />
      </td>
      <td class="number" data-label="in/s">
        {rate(queue.in)}
      </td>
      <td class="number" data-label="out/s">
        {rate(queue.out)}
      </td>
      <td class="queue-trend">
        <Trend values={trend} isOpen title={`Runs that ended in each minute of the last hour, ${name}`} />
      </td>
      <td class="number" data-label="wait p95">
        {wait.p95 === undefined ? '–' : duration(wait.p95)}
      </td>
      <td class="number" data-label="failed">
        <a
          class={lastHour.failed > 0 ? 'bad' : 'quiet'}
          href={href('jobs', [], { queue: name, state: 'failed' })}
          title={`${count(lastHour.failed)} of ${count(runs)} runs of the last hour`}
        >
          {lastHour.failed === 0 ? '0' : share(lastHour.failed, runs)}
        </a>
      </td>
      <td class={workers === 0 && counts.waiting > 0 ? 'number warn' : 'number'} data-label="workers">
        {workers}
      </td>
    </tr>
  )
}

/** The words for the condition of a queue, such as `stands still: 42 waiting, none started`. */
function wordsOf({ kind, text }: Health): string {
  const word = kind === 'still' ? 'stands still' : kind === 'idle' ? '–' : kind
  return text === '' ? word : `${word}: ${text}`
}

/** A number of jobs, with a link to the list of these jobs. */
function Jobs({ queue, state, value }: { queue: string; state: string; value: number }) {
  if (value === 0) return <span class="quiet">0</span>
  return <a href={href('jobs', [], { queue, state })}>{count(value)}</a>
}

/** The age of the oldest job, as a bar compared with the target of the queue. */
function Oldest({ queue: { oldest, target } }: { queue: LiveQueue }) {
  if (oldest === undefined) return <span class="quiet">–</span>
  if (target === undefined) return <span>{duration(oldest)}</span>
  const isLate = oldest > target
  return (
    <span
      class="oldest"
      title={`The oldest has waited for ${duration(oldest)}; the target is ${duration(target)}`}
    >
      <progress
        class={isLate ? 'oldest-bar oldest-late' : 'oldest-bar'}
        max={target}
        value={Math.min(oldest, target)}
      >
        {duration(oldest)} of {duration(target)}
      </progress>
      <span class={isLate ? 'bad' : undefined}>{duration(oldest)}</span>
    </span>
  )
}
