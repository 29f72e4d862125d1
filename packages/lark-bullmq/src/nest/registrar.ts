/**
 * Finds the classes with `@Processor()` and `@QueueEventsListener()`, and starts their workers and listeners.
 */
import type { EventEmitter } from 'node:events'
import { Injectable, Logger } from '@nestjs/common'
import {
  ContextIdFactory,
  type DiscoveryService,
  type MetadataScanner,
  type ModuleRef,
  Reflector,
} from '@nestjs/core'
import { BullQueueListener } from '../events/queue-events.ts'
import type { BullQueue, BullQueueOptions } from '../queue/queue.ts'
import type { Processor } from '../worker/processor.ts'
import { BullWorker, type BullWorkerOptions } from '../worker/worker.ts'
import { keys, type ListenerMetadata, type ProcessorMetadata } from './decorators.ts'
import { QueueEventsHost, WorkerHost } from './hosts.ts'
import type { BullModuleExtraOptions } from './options.ts'
import { EXTRA_OPTIONS, getQueueToken, getSharedConfigToken } from './tokens.ts'

type Provided = ReturnType<DiscoveryService['getProviders']>[number]

/** Wraps the function of each processor. An application may provide its own class instead of this class. */
export class ProcessorDecoratorService {
  decorate(processor: Processor): Processor {
    return processor
  }
}
Injectable()(ProcessorDecoratorService)

export class BullRegistrar {
  readonly #moduleRef: ModuleRef
  readonly #discovery: DiscoveryService
  readonly #scanner: MetadataScanner
  readonly #decorator: ProcessorDecoratorService
  readonly #reflector = new Reflector()
  readonly #logger = new Logger('BullModule')
  readonly #workers: BullWorker[] = []

  /** @internal */
  constructor(
    moduleRef: ModuleRef,
    discovery: DiscoveryService,
    scanner: MetadataScanner,
    decorator: ProcessorDecoratorService,
  ) {
    this.#moduleRef = moduleRef
    this.#discovery = discovery
    this.#scanner = scanner
    this.#decorator = decorator
  }

  onModuleInit(): void {
    const extra = this.#find<BullModuleExtraOptions>(EXTRA_OPTIONS)
    if (!extra?.manualRegistration) this.register()
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()))
  }

  /** Starts the workers and the listeners of the application. */
  register(): void {
    for (const provided of this.#discovery.getProviders()) {
      const Class = classOf(provided)
      if (Class === undefined) continue
      const processor = this.#reflector.get<ProcessorMetadata | undefined>(keys.processor, Class)
      if (processor !== undefined) this.#startWorker(provided, processor)
      const listener = this.#reflector.get<ListenerMetadata | undefined>(keys.listener, Class)
      if (listener !== undefined) this.#listen(provided, listener)
    }
  }

  #startWorker(provided: Provided, { name = 'default', configKey, worker: own }: ProcessorMetadata): void {
    const { instance } = provided
    if (!(instance instanceof WorkerHost))
      throw new Error(`The processor class "${provided.name}" must extend "WorkerHost"`)
    const { sharedConnection: _, ...options } = own ?? {}
    const worker = new BullWorker(name, this.#processorOf(provided, instance), {
      ...this.#placeOf(name, configKey),
      ...(options as BullWorkerOptions),
    })
    WorkerHost.use(instance, worker)
    this.#workers.push(worker)
    this.#hear(provided, keys.workerEvent, worker)
  }

  #processorOf(provided: Provided, instance: WorkerHost): Processor {
    if (provided.isDependencyTreeStatic()) return this.#decorator.decorate(instance.process.bind(instance))
    const processor: Processor = async (...args) => {
      const [job] = args
      const context = ContextIdFactory.create()
      this.#moduleRef.registerRequestByContextId(job, context)
      const host = await this.#moduleRef.resolve<WorkerHost>(provided.token, context, { strict: false })
      return await this.#decorator.decorate(host.process.bind(host))(...args)
    }
    // A worker passes its signal only to a function with a parameter for it, so this function gets the same
    // number of parameters as the method.
    return Object.defineProperty(processor, 'length', { value: instance.process.length })
  }

  #listen(provided: Provided, { queue, options: own }: ListenerMetadata): void {
    const { instance } = provided
    if (!provided.isDependencyTreeStatic()) {
      this.#logger.warn(`"${provided.name}" is request-scoped, so it hears no events`)
      return
    }
    if (!(instance instanceof QueueEventsHost))
      throw new Error(`The listener class "${provided.name}" must extend "QueueEventsHost"`)
    const { sharedConnection: _, ...options } = own ?? {}
    const events = new BullQueueListener(queue, { ...this.#placeOf(queue), ...options })
    QueueEventsHost.use(instance, events)
    this.#hear(provided, keys.queueEvent, events)
  }

  /** Calls the methods of a provider for the events that their metadata names. */
  #hear(provided: Provided, key: string, from: EventEmitter): void {
    const { instance } = provided
    for (const name of this.#scanner.getAllMethodNames(Object.getPrototypeOf(instance))) {
      const event = this.#reflector.get<string | undefined>(key, instance[name])
      if (event === undefined) continue
      if (provided.isDependencyTreeStatic()) from.on(event, instance[name].bind(instance))
      else
        this.#logger.warn(
          `"${provided.name}" is request-scoped, so its method "${name}" is not called for the event "${event}"`,
        )
    }
  }

  /** The connection and the prefix of a queue, from the registered queue or from the configuration. */
  #placeOf(name: string, configKey?: string): Pick<BullQueueOptions, 'connection' | 'prefix'> {
    const queue = this.#find<BullQueue>(getQueueToken(name))
    const found = queue?.opts ?? this.#find<BullQueueOptions>(getSharedConfigToken(configKey))
    if (found === undefined)
      throw new Error(`No queue "${name}" is registered, and BullModule.forRoot() has set no configuration`)
    const { connection, prefix } = found
    return { ...(connection && { connection }), ...(prefix && { prefix }) }
  }

  #find<T>(token: string): T | undefined {
    try {
      return this.#moduleRef.get<T>(token, { strict: false })
    } catch {
      return undefined
    }
  }
}

/** The class of a provider. For a provider with `useValue` or `useFactory`, the class of its value. */
function classOf({ metatype, inject, instance }: Provided): (new () => unknown) | undefined {
  return (!metatype || inject ? instance?.constructor : metatype) as (new () => unknown) | undefined
}
