/**
 * Prints the report of `jobs:import-bullmq`: a row for each queue, and below the rows why jobs stay in
 * BullMQ, what is not carried over, and what is wrong.
 */

import { type Command, shellWord } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { listed } from '@s18i/lark-jobs/internal'
import type { BullmqImport, BullmqNote, BullmqQueueReport } from '../import/report.ts'

export function sayImport(command: Command, report: BullmqImport): void {
  const isDry = report.dryRun === true
  const head = ['QUEUE', isDry ? 'TO IMPORT' : 'IMPORTED', 'BEFORE', 'SCHEDULES', 'STAY', 'WRONG']
  command.table(
    head,
    report.queues.map(({ queue, imported, existing, schedules, left, failures }) => {
      const stay = left.reduce((sum, { count }) => sum + count, 0)
      return [queue, imported, existing, schedules, stay, failures]
    }),
  )
  for (const queue of report.queues) sayQueue(command, queue)
  if (report.unknownQueues.length > 0)
    command.warn(
      `The configuration of Lark has no queue ${visible(listed(report.unknownQueues))}: add it to jobs.queues`,
    )
  if (report.unmarked !== undefined)
    command.warn(
      `The jobs in BullMQ could not be marked as imported (${visible(report.unmarked)}): a repeated import recognises them by their ids. Lark keeps an id for an hour after the end of its job; after that, an import would import the job again`,
    )
}

function sayQueue(command: Command, report: BullmqQueueReport): void {
  const queue = visible(report.queue)
  if (report.keys.length > 0) command.info(`${queue}: the jobs have the keys ${visible(listed(report.keys))}`)
  for (const each of report.left)
    command.info(`${queue}: ${counted(each.count)} left: ${each.text}${idsOf(each)}`)
  for (const each of report.lacks)
    command.warn(`${queue}: not carried over from ${counted(each.count)}: ${each.text}${idsOf(each)}`)
  if (report.taken.length > 0)
    command.warn(
      `${queue}: workers of BullMQ have taken jobs that were imported, which run there and in Lark: ${visible(listed(report.taken))}`,
    )
  for (const { id, message } of report.mistakes)
    command.error(`${queue}: ${visible(id)} was not imported: ${visible(message)}`)
  const more = report.failures - report.mistakes.length
  if (more > 0) command.error(`${queue}: ${counted(more)} more were not imported`)
  if (report.concurrency !== undefined)
    command.info(
      `${queue}: BullMQ runs ${report.concurrency} at a time: set concurrency of the queue in jobs.queues`,
    )
  if (report.isRated) command.info(`${queue}: BullMQ limits its rate: set rate of the queue in jobs.queues`)
  if (report.paused)
    command.info(`${queue} is paused in BullMQ, and not in Lark: lark jobs:pause ${shellWord(report.queue)}`)
  if (report.workers === undefined)
    command.warn(`${queue}: the server does not tell whether workers of BullMQ are connected: stop them`)
  else if (!report.paused && report.workers > 0)
    command.warn(`${queue}: ${report.workers} workers of BullMQ are connected, and run what stays there`)
}

function counted(count: number): string {
  return count.toLocaleString('en')
}

/** The first ids, in parentheses. */
function idsOf({ ids, count }: BullmqNote): string {
  if (ids.length === 0) return ''
  return ` (${visible(ids.join(', '))}${count > ids.length ? ', …' : ''})`
}
