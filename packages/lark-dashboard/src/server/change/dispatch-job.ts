/**
 * A job that a viewer dispatches by hand.
 */
import type { DispatchRequest } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { refused } from '../guard/input.ts'

/**
 * The settings that a viewer may choose for a job. A viewer cannot choose the number of tries and the
 * timeout.
 */
export interface DispatchInput {
  key: string
  /**
   * The payload as JSON text, so that numbers arrive as the viewer wrote them. Without this field, the job
   * has no payload.
   */
  payload?: string
  queue?: string
  delay?: string
  priority?: number
  tags?: string[]
  id?: string
}

export async function dispatchJob({ operate }: Act, input: DispatchInput): Promise<DispatchRequest> {
  const { key, queue, delay, priority, tags, id } = input
  return await operate.dispatch(key, payloadOf(input), {
    queueName: queue,
    delay: delay as `${number}s` | undefined,
    priority,
    tags,
    id,
  })
}

/** @throws INPUT_INVALID */
function payloadOf(input: DispatchInput): unknown {
  if (input.payload === undefined) return undefined
  try {
    return JSON.parse(input.payload)
  } catch {
    throw refused('payload', input.payload, 'JSON')
  }
}
