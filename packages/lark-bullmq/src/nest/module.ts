/** The module for Nest. It provides queues and flow producers, and starts workers. */
import {
  type DynamicModule,
  type FactoryProvider,
  Global,
  Module,
  type Provider,
  type Type,
} from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core'
import { FlowProducer } from '../flow/flow-producer.ts'
import { BullQueue } from '../queue/queue.ts'
import { BullWorker } from '../worker/worker.ts'
import type {
  AsyncOptions,
  BullQueueProcessor,
  BullRootModuleOptions,
  RegisterFlowProducerAsyncOptions,
  RegisterFlowProducerOptions,
  RegisterQueueAsyncOptions,
  RegisterQueueOptions,
  SharedBullAsyncConfiguration,
} from './options.ts'
import { BullRegistrar, ProcessorDecoratorService } from './registrar.ts'
import {
  EXTRA_OPTIONS,
  getFlowProducerOptionsToken,
  getFlowProducerToken,
  getQueueOptionsToken,
  getQueueToken,
  getSharedConfigToken,
} from './tokens.ts'

/**
 * The module that starts the workers. Nest makes it only once, no matter how many modules register queues.
 */
class BullCoreModule {}
Global()(BullCoreModule)
Module({
  imports: [DiscoveryModule],
  providers: [
    ProcessorDecoratorService,
    {
      provide: BullRegistrar,
      useFactory: (...args: ConstructorParameters<typeof BullRegistrar>) => new BullRegistrar(...args),
      inject: [ModuleRef, DiscoveryService, MetadataScanner, ProcessorDecoratorService],
    },
  ],
  exports: [BullRegistrar, ProcessorDecoratorService],
})(BullCoreModule)

/**
 * How queues or flow producers are registered: the tokens of their options and of the objects themselves, and
 * a function that makes an object.
 */
interface Kind<Options> {
  optionsToken: (name?: string) => string
  token: (name?: string) => string
  make: (options: Options) => unknown
}

const queues: Kind<RegisterQueueOptions> = {
  optionsToken: getQueueOptionsToken,
  token: getQueueToken,
  make: queueWith,
}
const flowProducers: Kind<RegisterFlowProducerOptions> = {
  optionsToken: getFlowProducerOptionsToken,
  token: getFlowProducerToken,
  // A flow producer takes only these options, because the other options of the shared configuration are for
  // queues.
  make({ connection, prefix }) {
    const producer = new FlowProducer({ ...(connection && { connection }), ...(prefix && { prefix }) })
    return Object.assign(producer, { onApplicationShutdown: () => producer.close() })
  },
}

// biome-ignore lint/complexity/noStaticOnlyClass: Nest takes a class as a module
export class BullModule {
  /** Sets the options of all queues or, with a key, of the queues with this `configKey`. */
  static forRoot(options: BullRootModuleOptions): DynamicModule
  static forRoot(configKey: string, options: BullRootModuleOptions): DynamicModule
  static forRoot(first: string | BullRootModuleOptions, second?: BullRootModuleOptions): DynamicModule {
    const configKey = typeof first === 'string' ? first : undefined
    const { extraOptions = {}, ...config } = (typeof first === 'string' ? second : first) ?? {}
    const providers = [
      { provide: getSharedConfigToken(configKey), useValue: config },
      { provide: EXTRA_OPTIONS, useValue: extraOptions },
    ]
    return { global: true, module: BullModule, providers, exports: providers }
  }

  /** Does the same as `forRoot()` with options that come from a factory. */
  static forRootAsync(options: SharedBullAsyncConfiguration): DynamicModule
  static forRootAsync(configKey: string, options: SharedBullAsyncConfiguration): DynamicModule
  static forRootAsync(
    first: string | SharedBullAsyncConfiguration,
    second?: SharedBullAsyncConfiguration,
  ): DynamicModule {
    const configKey = typeof first === 'string' ? first : undefined
    const options = (typeof first === 'string' ? second : first) ?? {}
    const source = sourceOf(options, 'createSharedConfiguration')
    const exports: Provider[] = [
      {
        provide: getSharedConfigToken(configKey),
        useFactory: source.read,
        inject: source.inject,
      },
      { provide: EXTRA_OPTIONS, useValue: options.extraOptions ?? {} },
    ]
    const providers = [...exports, ...source.providers, ...(options.extraProviders ?? [])]
    return { global: true, module: BullModule, imports: options.imports ?? [], providers, exports }
  }

  static registerQueue(...options: RegisterQueueOptions[]): DynamicModule {
    return registered(queues, options.map(given))
  }

  static registerQueueAsync(...options: RegisterQueueAsyncOptions[]): DynamicModule {
    return registered(queues, options.map(later))
  }

  static registerFlowProducer(...options: RegisterFlowProducerOptions[]): DynamicModule {
    return registered(flowProducers, options.map(given))
  }

  static registerFlowProducerAsync(...options: RegisterFlowProducerAsyncOptions[]): DynamicModule {
    return registered(flowProducers, options.map(later))
  }
}
Module({})(BullModule)

/** A queue or a flow producer to register, and the source of its options. */
interface Registration<Options> {
  name: string | undefined
  configKey: string | undefined
  imports: NonNullable<DynamicModule['imports']>
  source: Source<Options>
}

interface Source<Options> {
  read: (...args: unknown[]) => Promise<Options> | Options
  inject: NonNullable<FactoryProvider['inject']>
  providers: Provider[]
}

function given<Options extends { name?: string; configKey?: string }>(
  options: Options,
): Registration<Options> {
  const { name, configKey } = options
  return { name, configKey, imports: [], source: { read: () => options, inject: [], providers: [] } }
}

function later<Options>(
  options: AsyncOptions<Options, { createRegisterQueueOptions(): Promise<Options> | Options }> & {
    name?: string
    configKey?: string
  },
): Registration<Options> {
  const source = sourceOf(options, 'createRegisterQueueOptions')
  const { name, configKey, imports = [], extraProviders = [] } = options
  return {
    name,
    configKey,
    imports,
    source: { ...source, providers: [...source.providers, ...extraProviders] },
  }
}

/** @param method the method of the class that makes the options */
function sourceOf<Options, Method extends string>(
  options: AsyncOptions<Options, { [Name in Method]: () => Promise<Options> | Options }>,
  method: Method,
): Source<Options> {
  const { useFactory, inject = [], useClass, useExisting } = options
  if (useFactory !== undefined) return { read: useFactory, inject, providers: [] }
  const factory = useClass ?? useExisting
  // As in `@nestjs/bullmq`, an object that names no source of options contains the options itself.
  if (factory === undefined) return { read: () => options as Options, inject: [], providers: [] }
  return {
    read: (made) => (made as { [Name in Method]: () => Promise<Options> | Options })[method](),
    inject: [factory as Type],
    providers: useClass === undefined ? [] : [useClass as Type],
  }
}

function registered<Options>(kind: Kind<Options>, all: readonly Registration<Options>[]): DynamicModule {
  const exports = all.map(
    ({ name }): Provider => ({
      provide: kind.token(name),
      useFactory: (options: Options) => kind.make({ name, ...options }),
      inject: [kind.optionsToken(name)],
    }),
  )
  const options = all.map(
    ({ name, configKey, source }): Provider => ({
      provide: kind.optionsToken(name),
      useFactory: async (config: object | undefined, ...args: unknown[]) => {
        if (config === undefined && configKey !== undefined)
          throw new Error(`${kind.token(name)}: BullModule.forRoot() has set no configuration "${configKey}"`)
        return { ...config, ...(await source.read(...args)) }
      },
      inject: [{ token: getSharedConfigToken(configKey), optional: true }, ...source.inject],
    }),
  )
  return {
    module: BullModule,
    imports: [BullCoreModule, ...new Set(all.flatMap(({ imports }) => imports))],
    providers: [...options, ...all.flatMap(({ source }) => source.providers), ...exports],
    exports,
  }
}

/**
 * Makes a queue, and workers for its `processors`. The queue and these workers are closed when the
 * application shuts down.
 */
function queueWith({
  name = 'default',
  configKey: _,
  sharedConnection: __,
  forceDisconnectOnShutdown: ___,
  processors = [],
  ...options
}: RegisterQueueOptions): BullQueue {
  const queue = new BullQueue(name, options)
  const workers = processors.map((processor) => workerWith(name, options, processor))
  return Object.assign(queue, {
    onApplicationShutdown: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      await queue.close()
    },
  })
}

function workerWith(
  name: string,
  { connection, prefix }: RegisterQueueOptions,
  processor: BullQueueProcessor,
): BullWorker {
  const place = { ...(connection && { connection }), ...(prefix && { prefix }) }
  if (typeof processor !== 'object' || processor instanceof URL) return new BullWorker(name, processor, place)
  const {
    callback,
    path,
    sharedConnection: _,
    ...options
  } = processor as typeof processor & {
    callback?: (typeof processor & { callback: unknown })['callback']
    path?: string | URL
  }
  return new BullWorker(name, (callback as never) ?? path, { ...place, ...options })
}
