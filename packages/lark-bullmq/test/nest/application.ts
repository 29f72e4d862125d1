/**
 * An ordinary application of Nest. The application prints what happens, and ends by itself. Only the imports
 * of queues differ between BullMQ and Lark; `nest.test.ts` replaces them.
 */
import 'reflect-metadata'
import {
  BullModule,
  BullRegistrar,
  getQueueToken,
  InjectFlowProducer,
  InjectQueue,
  JOB_REF,
  OnQueueEvent,
  OnWorkerEvent,
  Processor,
  QueueEventsHost,
  QueueEventsListener,
  type RegisterQueueOptionsFactory,
  WorkerHost,
} from '@nestjs/bullmq'
import { Inject, Injectable, Module, type OnApplicationBootstrap, Scope } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { FlowProducer, Job, Queue } from 'bullmq'

const { host, port, prefix, manual } = JSON.parse(process.env.APPLICATION!)
const said: string[] = []
const say = (text: string) => said.push(text)

@Injectable()
class Settings {
  readonly connection = { host, port }
}

@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Injectable()
class MailQueue implements RegisterQueueOptionsFactory {
  createRegisterQueueOptions() {
    return { defaultJobOptions: { attempts: 2 } }
  }
}

@Injectable()
class Mails {
  constructor(
    @InjectQueue('mail') private readonly queue: Queue,
    @InjectFlowProducer('flow') private readonly flows: FlowProducer,
  ) {}

  async send(to: string) {
    return await this.queue.add('welcome', { to })
  }

  async fail() {
    return await this.queue.add('wrong', { to: 'nobody' }, { attempts: 1 })
  }

  async both() {
    return await this.flows.add({
      name: 'both',
      queueName: 'mail',
      data: { to: 'both' },
      children: [{ name: 'one', queueName: 'image', data: { width: 1 } }],
    })
  }
}

@Processor('mail', { concurrency: 3 })
class MailProcessor extends WorkerHost {
  constructor(private readonly settings: Settings) {
    super()
  }

  async process(job: Job<{ to: string }>) {
    if (job.name === 'wrong') throw new Error('no such address')
    const children = Object.values(await job.getChildrenValues())
    return { sent: job.data.to, host: this.settings.connection.host === host, children }
  }

  @OnWorkerEvent('completed')
  completed(job: Job) {
    say(`worker completed ${job.name} ${JSON.stringify(job.returnvalue)} of ${job.opts.attempts}`)
  }

  @OnWorkerEvent('failed')
  failed(job: Job, error: Error) {
    say(`worker failed ${job.name} ${error.message}, concurrency ${this.worker.concurrency}`)
  }
}

/** Nest makes one instance for each job. */
@Processor({ name: 'image', scope: Scope.REQUEST })
class ImageProcessor extends WorkerHost {
  constructor(@Inject(JOB_REF) private readonly current: Job) {
    super()
  }

  async process(job: Job<{ width: number }>) {
    return { width: job.data.width, isOwn: this.current.id === job.id }
  }
}

@QueueEventsListener('mail')
class MailEvents extends QueueEventsHost {
  @OnQueueEvent('completed')
  completed({ returnvalue }: { jobId: string; returnvalue: unknown }) {
    say(`queue completed ${JSON.stringify(returnvalue)}`)
  }
}

@Injectable()
class Boot implements OnApplicationBootstrap {
  constructor(
    private readonly processor: MailProcessor,
    private readonly events: MailEvents,
  ) {}

  async onApplicationBootstrap() {
    if (manual) return
    await this.processor.worker.waitUntilReady()
    await this.events.queueEvents.waitUntilReady()
    say(`boot ${this.processor.worker.name}`)
  }
}

@Module({
  imports: [
    SettingsModule,
    BullModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings],
      useFactory: ({ connection }: Settings) => ({ connection, prefix }),
      extraOptions: { manualRegistration: manual },
    }),
    BullModule.forRoot('other', {
      connection: { host, port },
      prefix: `${prefix}-other`,
      extraOptions: { manualRegistration: manual },
    }),
    BullModule.registerQueueAsync({ name: 'mail', useClass: MailQueue }),
    BullModule.registerQueue(
      { name: 'image' },
      { name: 'plain', configKey: 'other', processors: [async (job: Job) => `plain ${job.data}`] },
    ),
    BullModule.registerFlowProducer({ name: 'flow' }),
  ],
  providers: [Mails, MailProcessor, ImageProcessor, MailEvents, Boot],
})
class ApplicationModule {}

async function until(is: () => boolean) {
  const end = Date.now() + 20_000
  while (!is() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20))
}

const application = await NestFactory.createApplicationContext(ApplicationModule, { logger: ['error'] })
application.enableShutdownHooks()
const mails = application.get(Mails)
if (manual) {
  const processor = application.get(MailProcessor)
  try {
    processor.worker
  } catch (error) {
    say(`before register() ${(error as Error).message.split('.')[0]}`)
  }
  application.get(BullRegistrar).register()
  await processor.worker.waitUntilReady()
  await application.get(MailEvents).queueEvents.waitUntilReady()
}
await mails.send('ada@example.com')
await mails.fail()
await mails.both()
await until(() => said.filter((line) => line.startsWith('queue completed')).length === 2)
const plain: Queue = application.get(getQueueToken('plain'))
const { id } = await plain.add('plain', 7)
let found: Job | undefined
for (const end = Date.now() + 20_000; Date.now() < end && found?.returnvalue == null; ) {
  found = await plain.getJob(id!)
  await new Promise((resolve) => setTimeout(resolve, 20))
}
say(`processors ${found?.returnvalue}`)
await application.close()
console.log(JSON.stringify(said.sort()))
