/** The tokens under which Nest provides queues, flow producers and their options: as in `@nestjs/bullmq`. */
import { REQUEST } from '@nestjs/core'

/** Injects the job into a processor of the scope of a request. */
export const JOB_REF = REQUEST

/** Of what `BullModule.forRoot()` was told besides the options. */
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
