/**
 * Shows the state of a job, a flow or a schedule as a shape and a word. Quiet states, such as `waiting`, have
 * no colour.
 */
const shapes: Readonly<Record<string, [shape: string, tone: string]>> = {
  waiting: ['○', 'quiet'],
  delayed: ['◔', 'quiet'],
  blocked: ['◌', 'quiet'],
  active: ['▶', 'busy'],
  completed: ['✓', 'ok'],
  failed: ['✕', 'bad'],
  cancelled: ['–', 'quiet'],
  skipped: ['⤼', 'quiet'],
  started: ['▶', 'busy'],
  open: ['▶', 'busy'],
  filling: ['◔', 'busy'],
  ending: ['◔', 'warn'],
  running: ['▶', 'busy'],
  paused: ['‖', 'warn'],
  late: ['!', 'bad'],
  still: ['!', 'bad'],
  ended: ['■', 'quiet'],
}

export function State({ state, word = state }: { state: string; word?: string }) {
  const [shape, tone] = shapes[state] ?? ['·', 'quiet']
  return (
    <span class={`state ${tone}`}>
      <span aria-hidden="true" class="state-shape">
        {shape}
      </span>
      {word}
    </span>
  )
}
