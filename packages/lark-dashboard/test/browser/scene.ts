/**
 * A bad day on a store: queues that are stuck for different reasons, three kinds of failures, flows,
 * schedules, a limiter, and a job of which every text is hostile. Real workers of an application make this
 * scene.
 */
import { batch, createJobs, cron, Job, type Jobs, type JobsConfig, workflow } from '@s18i/lark-jobs'
import { z } from 'zod'
import { Application, mail } from '../../../lark-jobs/test/outbox/application.ts'

export const HOSTILE =
  '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u001b[31m\u202e"\'&amp;'

class SendEmailJob extends Job {
  override key = 'send-email'
  override queueName = 'emails'
  override tries = 1
  async handle({ to, n }: { to: string; n: number; tenant?: string }) {
    this.info(`Connecting for ${to}`)
    if (n % 3 === 0) throw new Error(`The server refused ${to}: 550 no such user ${n}`)
    if (n % 3 === 1) throw new TypeError(`Cannot read properties of undefined (reading 'name')`)
    throw Object.assign(new Error(`connect ECONNREFUSED 10.0.0.${n % 7}:25`), { code: 'ECONNREFUSED' })
  }
}

export class ReportJob extends Job {
  override key = 'report'
  override queueName = 'reports'
  async handle({ month }: { month: number; text?: string }) {
    return { url: `https://example.com/${month}.pdf`, month }
  }
}

class SlowJob extends Job {
  override key = 'slow'
  override queueName = 'imports'
  async handle({ file }: { file: string }) {
    this.progress({ done: 3, of: 10 })
    this.info(`Reading ${file}`)
    await new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve()))
    throw this.signal.reason
  }
}

class FlakyJob extends Job {
  override key = 'flaky'
  override queueName = 'webhooks'
  override tries = 5
  override backoff = '1h'
  async handle({ url }: { url: string }) {
    throw new Error(`POST ${url} answered 503`, { cause: new Error('socket hang up') })
  }
}

class HostileJob extends Job {
  override key = 'hostile'
  override queueName = 'default'
  override tries = 1
  override tags = [HOSTILE.slice(0, 60)]
  async handle({ text }: { text: string }) {
    this.error(text)
    const error = new Error(text)
    error.name = HOSTILE.slice(0, 40)
    throw error
  }
}

class CleanupJob extends Job {
  override key = 'cleanup'
  override queueName = 'default'
  async handle() {}
}

class MailReportJob extends Job {
  override key = 'mail-report'
  override queueName = 'default'
  static override schema = z.object({ to: z.email(), pages: z.int().optional() })
  async handle(_: { to: string; pages?: number }) {}
}

class UnservedJob extends Job {
  override key = 'unserved'
  override queueName = 'unserved'
  async handle() {}
}

/** How many e-mails fail. Each of the three kinds has a third of them. */
export const EMAILS = 60

const classes = [
  MailReportJob,
  UnservedJob,
  SendEmailJob,
  ReportJob,
  SlowJob,
  FlakyJob,
  HostileJob,
  CleanupJob,
]

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

export interface Scene extends AsyncDisposable {
  jobs: Jobs
  ids: SceneIds
  /** Runs a worker on the queues that are not stuck, until they are empty. */
  runAll(): Promise<void>
}

/** The ids of one job in each condition, and of two flows. */
export interface SceneIds {
  failed: string
  slow: string
  paused: string
  delayed: string
  retrying: string
  hostile: string
  unserved: string
  batch: string
  workflow: string
}

export async function makeScene(place: JobsConfig): Promise<Scene> {
  const application = new Application()
  const jobs = createJobs({
    ...place,
    jobs: classes,
    queues: {
      default: {},
      emails: { target: '10s' },
      reports: {},
      imports: {},
      webhooks: {},
      unserved: { target: '1s' },
      idle: {},
    },
    outbox: application.outbox,
    release: 'r1',
    limiters: { 'mail-api': { concurrency: 2, rate: { limit: 100, per: '1m' } } },
  })
  // Paused queues are left out, because they never become empty.
  const runAll = async (...more: string[]) => {
    const queues = ['default', 'emails', 'webhooks', ...more]
    const worker = await jobs.work({ stopWhenEmpty: true, queues, report: silent })
    await worker.done
  }
  const emails = await jobs.dispatch(
    Array.from({ length: EMAILS }, (_, n) => {
      const tenant = n % 3 === 0 ? 'acme' : `tenant-${n}`
      return new SendEmailJob().with({ to: `user${n}@example.com`, n, tenant })
    }),
  )
  const [hostile, retrying] = await jobs.dispatch([
    new HostileJob().with({ text: `${HOSTILE}${'x'.repeat(100_000)}` }),
    new FlakyJob().with({ url: 'https://example.com/hook' }),
  ])
  await jobs.dispatch(Array.from({ length: 5 }, (_, month) => new ReportJob().with({ month })))
  const members = Array.from({ length: 6 }, (_, n) => new SendEmailJob().with({ to: `b${n}@example.com`, n }))
  const newsletter = await jobs.dispatch(batch(members).name('newsletter').allowFailures(10))
  await jobs.schedules.set(
    'nightly',
    new CleanupJob().with(),
    cron('0 3 * * *', { timezone: 'Europe/Paris' }),
  )
  await jobs.schedules.runNow('nightly')
  await runAll('reports')
  await jobs.pause({ queue: 'reports', because: 'the bank is closed' })
  const [paused, , delayed, unserved, slow] = await jobs.dispatch([
    new ReportJob().with({ month: 12 }),
    new ReportJob().with({ month: 13 }),
    new CleanupJob().with().delayed('2h'),
    new UnservedJob().with(),
    new SlowJob().with({ file: 'customers.csv' }),
  ])
  const order = await jobs.dispatch(
    workflow('order', (w) => {
      const charge = w.add(new CleanupJob().with(), { name: 'charge' })
      const pack = w.add(new ReportJob().with({ month: 1 }), { name: 'pack', after: charge })
      w.add(new CleanupJob().with(), { name: 'ship', after: pack })
      w.add(new CleanupJob().with(), { name: 'invoice', after: charge })
    }),
  )
  await runAll()
  const worker = await jobs.work({ queues: ['imports'], concurrency: 4, report: silent })
  const body = JSON.stringify({ key: 'mail', payload: '{}', [HOSTILE]: 1 })
  application.write({ ...mail(1), id: 'odd', body }, { ...mail(2), id: 'newer', form: 9 })
  return {
    jobs,
    ids: {
      failed: emails[0]!.id,
      slow: slow.id,
      paused: paused.id,
      delayed: delayed.id,
      retrying: retrying.id,
      hostile: hostile.id,
      unserved: unserved.id,
      batch: newsletter.id,
      workflow: order.id,
    },
    runAll,
    [Symbol.asyncDispose]: async () => {
      await worker.stop(0)
      await jobs.close()
    },
  }
}
