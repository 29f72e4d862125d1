/**
 * The queues that are configured: which of them a worker serves, and that there is one of a name.
 */
import { nearest } from '@s18i/lark/config'
import { JobsError } from '../model/errors.ts'
import { listed } from '../model/listed.ts'
import type { NewJob } from '../model/record.ts'
import type { Registry } from '../options/registry.ts'
import type { Settings } from './config.ts'
import { placeFor } from './config-source.ts'
import { checkLimiters } from './limiter-config.ts'

/**
 * Which queues a worker serves: those named, strictly in their order, else all in turns: fair ones, or by weight.
 *
 * @throws UNKNOWN_QUEUE
 */
export function serviceOf(
  settings: Settings,
  named?: string | readonly string[],
): { queues: readonly string[]; strict: boolean; words: string } {
  const list = typeof named === 'string' ? [named] : named
  const queues = list === undefined ? settings.queues : [...new Set(list)]
  for (const queue of list ?? []) knownQueue(queue, settings)
  const weights = queues.map((queue) => settings.weights.get(queue) ?? 1)
  const isWeighted = list === undefined && weights.some((weight) => weight !== weights[0])
  const turns = isWeighted ? ' in turns by weight' : ' in fair turns'
  const order = queues.length < 2 ? '' : list === undefined ? turns : ' strictly in this order'
  const words = listed(queues.map((queue, i) => (isWeighted ? `${queue} (${weights[i]})` : queue)))
  return { queues, strict: list !== undefined, words: words + order }
}

/**
 * That jobs go where there is something for them.
 *
 * @param name of their class
 * @throws UNKNOWN_QUEUE, UNKNOWN_LIMITER, JOB_INVALID
 */
export function checkPlace(queue: string, jobs: readonly NewJob[], settings: Settings, name: string): void {
  knownQueue(queue, settings, name)
  if (jobs[0]?.limiter !== undefined) checkLimiters(jobs, settings, name)
}

/** One line for each class whose dispatches are refused because its queue is not configured. */
export function misplaced(registry: Registry, { queues, partitions }: Settings): string[] {
  const classes = registry.classes.filter(({ queueName }) => !partitions.has(queueName))
  return classes.map((jobClass) => {
    const { name, queueName } = jobClass
    const file = registry.fileOf(jobClass)
    const place = file === undefined ? '' : ` (${file})`
    return `${name} has queueName = '${queueName}'${place}, which is not a configured queue: its dispatches are refused. Configured are ${listed(queues)}`
  })
}

/** @throws UNKNOWN_QUEUE @param name of the job class that asks for it */
export function knownQueue(queue: string, { queues, partitions, source }: Settings, name?: string): void {
  if (partitions.has(queue)) return
  const near = nearest(queue, queues)
  throw new JobsError('UNKNOWN_QUEUE', `${name ? `${name}: ` : ''}'${queue}' is not a configured queue`, {
    hint: `${near ? `Did you mean ${near}? ` : ''}Configured are ${listed(queues)}. Add it to ${placeFor('queues', source)}.`,
  })
}
