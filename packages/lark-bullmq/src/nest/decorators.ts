/** The decorators of `@nestjs/bullmq`. */
import { Inject, Injectable, type Scope, SetMetadata } from '@nestjs/common'
import type { BullEvents } from '../events/queue-events.ts'
import type { BullWorkerEvents } from '../worker/worker.ts'
import type { NestQueueEventOptions, NestWorkerOptions } from './options.ts'
import { getFlowProducerToken, getQueueToken } from './tokens.ts'

/**
 * The keys of the decorators' metadata. They differ from the keys of `@nestjs/bullmq`, because an application
 * may have both packages.
 */
export const keys = {
  processor: 'lark-bullmq:processor',
  listener: 'lark-bullmq:listener',
  workerEvent: 'lark-bullmq:worker-event',
  queueEvent: 'lark-bullmq:queue-event',
} as const

export interface ProcessorOptions {
  /** The name of the queue. */
  name?: string
  scope?: Scope
  /** The key of the configuration that the worker uses if its queue is not registered. */
  configKey?: string
}

/** The metadata of a class with `@Processor()`. */
export interface ProcessorMetadata extends ProcessorOptions {
  worker: NestWorkerOptions | undefined
}

/** The metadata of a class with `@QueueEventsListener()`. */
export interface ListenerMetadata {
  queue: string
  options: NestQueueEventOptions | undefined
}

/** Makes a class run the jobs of a queue. The class must extend `WorkerHost`. */
export function Processor(
  queueNameOrOptions?: string | ProcessorOptions,
  workerOptions?: NestWorkerOptions,
): ClassDecorator {
  const options =
    typeof queueNameOrOptions === 'object'
      ? queueNameOrOptions
      : queueNameOrOptions === undefined
        ? {}
        : { name: queueNameOrOptions }
  const metadata: ProcessorMetadata = { ...options, worker: workerOptions }
  return (target) => {
    Injectable(options.scope === undefined ? {} : { scope: options.scope })(target)
    SetMetadata(keys.processor, metadata)(target)
  }
}

/** Makes a method a listener for an event of the worker of its class. */
export function OnWorkerEvent(eventName: keyof BullWorkerEvents): MethodDecorator {
  return SetMetadata(keys.workerEvent, eventName)
}

/**
 * Makes a class listen to the events of a queue in all processes. The class must extend `QueueEventsHost`.
 */
export function QueueEventsListener(queueName: string, options?: NestQueueEventOptions): ClassDecorator {
  const metadata: ListenerMetadata = { queue: queueName, options }
  return (target) => {
    Injectable()(target)
    SetMetadata(keys.listener, metadata)(target)
  }
}

/** Makes a method a listener for an event of the queue. */
export function OnQueueEvent(eventName: keyof BullEvents): MethodDecorator {
  return SetMetadata(keys.queueEvent, eventName)
}

export function InjectQueue(name?: string): ReturnType<typeof Inject> {
  return Inject(getQueueToken(name))
}

export function InjectFlowProducer(name?: string): ReturnType<typeof Inject> {
  return Inject(getFlowProducerToken(name))
}
