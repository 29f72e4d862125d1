/** The decorators of `@nestjs/bullmq`. */
import { Inject, Injectable, type Scope, SetMetadata } from '@nestjs/common'
import type { BullEvents } from '../events/queue-events.ts'
import type { BullWorkerEvents } from '../worker/worker.ts'
import type { NestQueueEventOptions, NestWorkerOptions } from './options.ts'
import { getFlowProducerToken, getQueueToken } from './tokens.ts'

/** The keys of their metadata, which differ from those of `@nestjs/bullmq`: an application may have both. */
export const keys = {
  processor: 'lark-bullmq:processor',
  listener: 'lark-bullmq:listener',
  workerEvent: 'lark-bullmq:worker-event',
  queueEvent: 'lark-bullmq:queue-event',
} as const

export interface ProcessorOptions {
  /** The queue. */
  name?: string
  scope?: Scope
  /** The key of the configuration that the worker takes if its queue is not registered. */
  configKey?: string
}

/** What the metadata of a class with `@Processor()` says. */
export interface ProcessorMetadata extends ProcessorOptions {
  worker: NestWorkerOptions | undefined
}

/** What the metadata of a class with `@QueueEventsListener()` says. */
export interface ListenerMetadata {
  queue: string
  options: NestQueueEventOptions | undefined
}

/** A worker of a queue: the class extends `WorkerHost`. */
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

/** Calls the method for an event of the worker of this class. */
export function OnWorkerEvent(eventName: keyof BullWorkerEvents): MethodDecorator {
  return SetMetadata(keys.workerEvent, eventName)
}

/** Listens to the events of a queue, of all processes: the class extends `QueueEventsHost`. */
export function QueueEventsListener(queueName: string, options?: NestQueueEventOptions): ClassDecorator {
  const metadata: ListenerMetadata = { queue: queueName, options }
  return (target) => {
    Injectable()(target)
    SetMetadata(keys.listener, metadata)(target)
  }
}

/** Calls the method for an event of the queue. */
export function OnQueueEvent(eventName: keyof BullEvents): MethodDecorator {
  return SetMetadata(keys.queueEvent, eventName)
}

export function InjectQueue(name?: string): ReturnType<typeof Inject> {
  return Inject(getQueueToken(name))
}

export function InjectFlowProducer(name?: string): ReturnType<typeof Inject> {
  return Inject(getFlowProducerToken(name))
}
