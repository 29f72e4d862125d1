/** The progress of a flow, as a bar of the states of its nodes and members. */
import type { FlowCounts } from '@s18i/lark-jobs/operate'
import { count } from '../../parts/numbers.ts'

const kinds = ['completed', 'failed', 'cancelled', 'skipped', 'running', 'blocked'] as const

export function FlowProgress({ counts }: { counts: FlowCounts }) {
  const shown = kinds.filter((kind) => counts[kind] > 0)
  const words = shown.map((kind) => `${count(counts[kind])} ${kind}`).join(', ')
  return (
    <span class="flow-progress" role="img" aria-label={words} title={words}>
      {shown.map((kind) => (
        <i key={kind} class={`flow-part flow-${kind}`} style={{ flexGrow: String(counts[kind]) }} />
      ))}
    </span>
  )
}
