/**
 * The tokens under which Nest provides queues, flow producers and their options. The tokens are the same as
 * in `@nestjs/bullmq`.
 */
import { REQUEST } from '@nestjs/core'

/** The token that injects the job into a request-scoped processor. */
export const JOB_REF = REQUEST

/** The token of the `extraOptions` of `BullModule.forRoot()`. */
export const EXTRA_OPTIONS = 'BULLMQ_EXTRA_OPTIONS'

export function getQueueToken(name = 'default'): string {
  return `BullQueue_${name}`
}

export function getFlowProducerToken(name = 'default'): string {
  return `BullFlowProducer_${name}`
}

export function getQueueOptionsToken(name = 'default'): string {
  return `BullMQQueueOptions_${name}`
}

export function getFlowProducerOptionsToken(name = 'default'): string {
  return `BullMQFlowProducerOptions_${name}`
}

export function getSharedConfigToken(configKey = 'default'): string {
  return `BULLMQ_CONFIG(${configKey})`
}
