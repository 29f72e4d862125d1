/**
 * The names of BullMQ: the classes of objects, the classes that calls return, and the topics of objects of
 * options.
 */
import { type ComparedTopic, comparisonOf } from '../compared/compared.ts'

/** The class of an object. A list of such objects ends in `[]`. */
export type BullKind = 'Queue' | 'Worker' | 'Job' | 'Job[]' | 'QueueEvents' | 'FlowProducer'

export const LIBRARY = /^(bullmq|@s18i\/lark-bullmq)$/
export const NEST = /^(?:@nestjs\/bullmq|@s18i\/lark-bullmq\/nest)$/
export const BOARD = /^@bull-board\//
export const classes: readonly string[] = ['Queue', 'Worker', 'Job', 'QueueEvents', 'FlowProducer']

/** The kind of options that each type of BullMQ describes. */
export const optionTypes: Record<string, ComparedTopic> = {
  JobsOptions: 'options of a job',
  DefaultJobOptions: 'options of a job',
  BulkJobOptions: 'options of a job',
  JobOptions: 'options of a job',
  QueueOptions: 'options of Queue',
  WorkerOptions: 'options of Worker',
  QueueEventsOptions: 'options of QueueEvents',
  FlowProducerOptions: 'options of FlowProducer',
  RepeatOptions: 'options of a job scheduler',
  BackoffOptions: 'options of backoff',
  RateLimiterOptions: 'options of limiter',
}

/** Options whose value is an object with options of its own. */
export const inner: Record<string, ComparedTopic> = {
  defaultJobOptions: 'options of a job',
  backoff: 'options of backoff',
  deduplication: 'options of deduplication',
  repeat: 'options of a job scheduler',
  limiter: 'options of limiter',
  settings: 'options of settings',
}

/** The class of the object that each method of a queue returns. */
export const returned: Record<string, BullKind> = {
  add: 'Job',
  getJob: 'Job',
  upsertJobScheduler: 'Job',
  fromId: 'Job',
  create: 'Job',
  getNextJob: 'Job',
  addBulk: 'Job[]',
  getJobs: 'Job[]',
  getWaiting: 'Job[]',
  getActive: 'Job[]',
  getDelayed: 'Job[]',
  getCompleted: 'Job[]',
  getFailed: 'Job[]',
  getPrioritized: 'Job[]',
}

export const listening = new Set(['on', 'once', 'off', 'addListener', 'removeListener', 'prependListener'])
export const looping = new Set(['map', 'forEach', 'filter', 'find', 'some', 'every', 'flatMap'])
export const ofJobs = new Set(['completed', 'failed', 'active', 'progress'])

/** Whether a file mentions BullMQ at all. */
export function mentionsBullMQ(text: string): boolean {
  return /['"](?:bullmq|@nestjs\/bullmq|@s18i\/lark-bullmq(?:\/nest)?|@bull-board\/[\w/-]+)['"]/.test(text)
}

/** Names that methods of BullMQ share with methods of other libraries. */
const ofOthers = new Set(['getState', 'isActive', 'isPaused', 'isRunning', 'toJSON', 'asJSON', 'updateData'])

/** Whether only objects of BullMQ have a method with this name. */
export function isTelling(name: string): boolean {
  if (ofOthers.has(name) || !/[a-z][A-Z]/.test(name)) return false
  return classes.some((each) => comparisonOf(`methods of ${each}` as ComparedTopic, name) !== undefined)
}
