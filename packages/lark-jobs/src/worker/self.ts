/**
 * What a worker makes known of itself, as far as that stays the same.
 */
import { hostname } from 'node:os'
import type { WorkerRecord } from '../record.ts'
import type { WorkerOptions } from './options.ts'

export function selfOf(
  id: string,
  concurrency: number,
  { queues, strict = false }: WorkerOptions,
): Omit<WorkerRecord, 'running' | 'keys' | 'state'> {
  return {
    id,
    host: hostname(),
    pid: process.pid,
    queues: [...queues],
    strict,
    concurrency,
    startedAt: Date.now(),
  }
}
