/** The options of the module, as in `@nestjs/bullmq`. */
import type { FactoryProvider, ModuleMetadata, Provider, Type } from '@nestjs/common'
import type { BullEventsOptions } from '../events/queue-events.ts'
import type { FlowProducerOptions } from '../flow/flow-producer.ts'
import type { BullJob } from '../job/bull-job.ts'
import type { BullQueueOptions } from '../queue/queue.ts'
import type { BullWorkerOptions } from '../worker/worker.ts'

/**
 * This option has no effect, because the objects of a process always share the connections of their store.
 */
interface SharedConnection {
  sharedConnection?: boolean
}

export interface NestQueueOptions extends BullQueueOptions, SharedConnection {}
export interface NestWorkerOptions extends BullWorkerOptions, SharedConnection {}
export interface NestQueueEventOptions extends BullEventsOptions, SharedConnection {}

/** A processor of a queue: a function, or a file that exports the function. */
export type BullQueueProcessorCallback = (job: BullJob) => Promise<unknown>
export type BullQueueSeparateProcessor = string | URL
export type BullQueueProcessor =
  | BullQueueProcessorCallback
  | BullQueueSeparateProcessor
  | (NestWorkerOptions & { callback: BullQueueProcessorCallback })
  | (NestWorkerOptions & { path: BullQueueSeparateProcessor })

/** The options of each queue and flow producer that is registered under a name. */
interface Registered {
  /** The name. Default: `default`. */
  name?: string
  /** The key of a configuration that was passed to `forRoot()`. Default: the configuration without a key. */
  configKey?: string
  /** This option has no effect, because an object has no connection after it was closed. */
  forceDisconnectOnShutdown?: boolean
}

export interface RegisterQueueOptions extends NestQueueOptions, Registered {
  /**
   * Processors for the queue. Each of them gets its own worker in this process, besides the classes with
   * `@Processor()`.
   */
  processors?: BullQueueProcessor[]
}

export interface RegisterFlowProducerOptions extends FlowProducerOptions, SharedConnection, Registered {}

export interface RegisterQueueOptionsFactory {
  createRegisterQueueOptions(): Promise<RegisterQueueOptions> | RegisterQueueOptions
}

export interface RegisterFlowProducerOptionsFactory {
  createRegisterQueueOptions(): Promise<RegisterFlowProducerOptions> | RegisterFlowProducerOptions
}

export interface SharedBullConfigurationFactory {
  createSharedConfiguration(): Promise<BullRootModuleOptions> | BullRootModuleOptions
}

/** The source of options. */
export interface AsyncOptions<Options, Factory> extends Pick<ModuleMetadata, 'imports'> {
  useFactory?: (
    // biome-ignore lint/suspicious/noExplicitAny: what is injected has any type
    ...args: any[]
  ) => Promise<Options> | Options
  inject?: FactoryProvider['inject']
  useClass?: Type<Factory>
  useExisting?: Type<Factory>
  /** Further providers of the module. */
  extraProviders?: Provider[]
}

export interface RegisterQueueAsyncOptions
  extends AsyncOptions<RegisterQueueOptions, RegisterQueueOptionsFactory>,
    Pick<Registered, 'name' | 'configKey'> {}

export interface RegisterFlowProducerAsyncOptions
  extends AsyncOptions<RegisterFlowProducerOptions, RegisterFlowProducerOptionsFactory>,
    Pick<Registered, 'name' | 'configKey'> {}

export interface BullModuleExtraOptions {
  /** Whether the workers start only when `BullRegistrar.register()` is called. */
  manualRegistration?: boolean
}

/** The options that queues share. */
export interface BullRootModuleOptions extends NestQueueOptions {
  extraOptions?: BullModuleExtraOptions
}

export interface SharedBullAsyncConfiguration
  extends AsyncOptions<BullRootModuleOptions, SharedBullConfigurationFactory> {
  extraOptions?: BullModuleExtraOptions
}
