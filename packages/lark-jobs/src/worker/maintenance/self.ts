/**
 * What a worker makes known of itself.
 */
import { hostname } from 'node:os'
import type { WorkerRecord } from '../../model/record.ts'
import type { WorkerOptions } from '../options.ts'
import type { Slots } from '../slots.ts'

/** @returns what tells it as it is now */
export function selfOf(
  id: string,
  { queues, strict = false, registry }: WorkerOptions,
  slots: Pick<Slots, 'concurrency' | 'running'>,
  state: () => WorkerRecord['state'],
): () => WorkerRecord {
  const same = { id, host: hostname(), pid: process.pid, queues: [...queues], strict, startedAt: Date.now() }
  return () => ({
    ...same,
    concurrency: slots.concurrency,
    running: slots.running.size,
    keys: registry.keys,
    state: state(),
  })
}
