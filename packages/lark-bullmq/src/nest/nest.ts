/**
 * The module for Nest with the classes of BullMQ on a store of Lark. The module has the decorators and the
 * providers of `@nestjs/bullmq`, so an application only changes the import.
 *
 * @module @s18i/lark-bullmq/nest
 */
export {
  InjectFlowProducer,
  InjectQueue,
  OnQueueEvent,
  OnWorkerEvent,
  Processor,
  type ProcessorOptions,
  QueueEventsListener,
} from './decorators.ts'
export { QueueEventsHost, WorkerHost } from './hosts.ts'
export { BullModule } from './module.ts'
export type {
  BullModuleExtraOptions,
  BullQueueProcessor,
  BullQueueProcessorCallback,
  BullQueueSeparateProcessor,
  BullRootModuleOptions,
  NestQueueEventOptions,
  NestQueueOptions,
  NestWorkerOptions,
  RegisterFlowProducerAsyncOptions,
  RegisterFlowProducerOptions,
  RegisterFlowProducerOptionsFactory,
  RegisterQueueAsyncOptions,
  RegisterQueueOptions,
  RegisterQueueOptionsFactory,
  SharedBullAsyncConfiguration,
  SharedBullConfigurationFactory,
} from './options.ts'
export { BullRegistrar, ProcessorDecoratorService } from './registrar.ts'
export {
  getFlowProducerOptionsToken,
  getFlowProducerToken,
  getQueueOptionsToken,
  getQueueToken,
  getSharedConfigToken,
  JOB_REF,
} from './tokens.ts'
