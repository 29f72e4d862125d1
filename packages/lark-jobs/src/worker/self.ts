/**
 * What a worker makes known of itself, as far as that stays the same.
 */
import { hostname } from 'node:os'
import type { WorkerRecord } from '../record.ts'
import type { WorkerOptions } from './options.ts'

export function selfOf(
  id: string,
  { queues, strict = false }: WorkerOptions,
): Omit<WorkerRecord, 'concurrency' | 'running' | 'keys' | 'state'> {
  return {
    id,
    host: hostname(),
    pid: process.pid,
    queues: [...queues],
    strict,
    startedAt: Date.now(),
  }
}
