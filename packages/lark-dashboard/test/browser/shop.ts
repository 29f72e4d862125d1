/**
 * A shop on a busy afternoon, for pictures: queues that run, a queue that fails, a paused queue, a queue that
 * no worker serves, flows, schedules, a limiter. Real workers of an application make this scene.
 */
import {
  batch,
  createJobs,
  cron,
  group,
  Job,
  type Jobs,
  type JobsConfig,
  type Worker,
  workflow,
} from '@s18i/lark-jobs'

/** Simulates work that takes a while, and ends early when the worker stops. */
async function busy(job: Job, ms: number): Promise<void> {
  if (job.signal.aborted) throw job.signal.reason
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    job.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(job.signal.reason)
    })
  })
}

class SendReceiptJob extends Job {
  override key = 'send-receipt'
  override queueName = 'emails'
  override tries = 1
  override tags = ['receipt']
  async handle({ order }: { order: number; to: string; tenant: string }) {
    await busy(this, 20 + (order % 7) * 15)
    if (order % 29 === 0) throw new MailError(`550 5.1.1 user${order}@example.com: no such user`)
  }
}

class MailError extends Error {
  override name = 'MailError'
}

class ChargeCardJob extends Job {
  override key = 'charge-card'
  override queueName = 'payments'
  override limiter = 'stripe'
  override group = group((payload: { order: number; shop: string }) => payload.shop)
  async handle({ order }: { order: number; shop: string }) {
    await busy(this, 60 + (order % 5) * 30)
    return { receipt: `https://pay.example/${order}`, cents: 4_200 + order }
  }
}

class DeliverWebhookJob extends Job {
  override key = 'deliver-webhook'
  override queueName = 'webhooks'
  override tries = 1
  async handle({ order, url }: { order: number; url: string; event: string }) {
    await busy(this, 30)
    if (order % 3 === 0) throw new Error(`POST ${url} answered 503`, { cause: new Error('socket hang up') })
    if (order % 7 === 0) throw new TypeError("Cannot read properties of undefined (reading 'id')")
  }
}

class ResizeImageJob extends Job {
  override key = 'resize-image'
  override queueName = 'images'
  async handle({ width }: { image: string; width: number }) {
    await busy(this, 80 + (width % 11) * 20)
  }
}

class ImportCatalogueJob extends Job {
  override key = 'import-catalogue'
  override queueName = 'imports'
  override tags = ['nightly', 'supplier:acme']
  async handle({ file, rows }: { file: string; rows: number; supplier: { name: string; country: string } }) {
    this.info(`Reading ${file}`)
    this.info(`${rows.toLocaleString('en')} rows, 14 columns`)
    this.warn('Row 1,204 has no price: left out')
    this.success('Checked the first 5,000 rows')
    this.progress({ done: 5_000, of: rows })
    await busy(this, 600_000)
  }
}

class SyncStockJob extends Job {
  override key = 'sync-stock'
  override queueName = 'stock'
  async handle() {}
}

class BuildReportJob extends Job {
  override key = 'build-report'
  override queueName = 'reports'
  async handle({ month }: { month: string }) {
    return { url: `https://reports.example/${month}.pdf` }
  }
}

const classes = [
  SendReceiptJob,
  ChargeCardJob,
  DeliverWebhookJob,
  ResizeImageJob,
  ImportCatalogueJob,
  SyncStockJob,
  BuildReportJob,
]

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }
const shops = ['acme', 'globex', 'initech', 'umbrella']

export interface Shop extends AsyncDisposable {
  jobs: Jobs
  /** The ids of a running job, a failed job, a running workflow and a batch. */
  ids: { running: string; failed: string; workflow: string; batch: string }
}

export async function openShop(place: JobsConfig): Promise<Shop> {
  const jobs = createJobs({
    ...place,
    jobs: classes,
    queues: {
      emails: { target: '30s' },
      payments: { target: '10s' },
      webhooks: { target: '1m' },
      images: {},
      imports: {},
      reports: {},
      stock: { target: '5s' },
      newsletter: {},
    },
    limiters: { stripe: { concurrency: 3, rate: { limit: 1_000, per: '1m' } } },
  })
  let order = 1
  const sell = async (orders: number) => {
    const list = Array.from({ length: orders }, () => {
      const [n, shop] = [order++, shops[order % 4]!]
      return [
        new SendReceiptJob().with({ order: n, to: `user${n}@example.com`, tenant: shop }),
        new ChargeCardJob().with({ order: n, shop }),
        new DeliverWebhookJob().with({ order: n, url: `https://${shop}.example/hooks`, event: 'order.paid' }),
        new ResizeImageJob().with({ image: `products/${n}.jpg`, width: 400 + n }),
      ]
    })
    await jobs.dispatch(list.flat())
  }
  await jobs.schedules.set(
    'nightly-report',
    new BuildReportJob().with({ month: '2026-10' }),
    cron('0 3 * * *'),
  )
  await jobs.schedules.set('stock-levels', new SyncStockJob().with(), cron('*/15 8-18 * * MON-FRI'))
  await jobs.schedules.set(
    'month-end',
    new BuildReportJob().with({ month: '2026-11' }),
    cron('30 23 28 * *', { timezone: 'Europe/Paris' }),
  )
  await jobs.schedules.runNow('nightly-report')
  const done = await jobs.work({ stopWhenEmpty: true, queues: ['reports'], report: silent })
  await done.done
  await jobs.pause({ queue: 'reports', because: 'the bank is closed until Monday' })
  const [running] = await jobs.dispatch([
    new ImportCatalogueJob().with({
      file: 'catalogue-2026-11.csv',
      rows: 48_210,
      supplier: { name: 'Acme Ltd', country: 'FR' },
    }),
    new BuildReportJob().with({ month: '2026-11' }),
    new BuildReportJob().with({ month: '2026-12' }),
    ...Array.from({ length: 42 }, () => new SyncStockJob().with()),
  ])
  await sell(30)
  const failing = new DeliverWebhookJob().with({
    order: 3,
    url: 'https://acme.example/hooks',
    event: 'order.paid',
  })
  const [failed] = await jobs.dispatch([failing])
  const newsletter = await jobs.dispatch(
    batch(
      Array.from({ length: 58 }, (_, n) =>
        new SendReceiptJob().with({ order: n, to: `user${n}@example.com`, tenant: 'acme' }),
      ),
    )
      .name('newsletter November')
      .allowFailures(10),
  )
  const launch = await jobs.dispatch(
    workflow('launch of a product', (w) => {
      const charge = w.add(new ChargeCardJob().with({ order: 1, shop: 'acme' }), { name: 'charge' })
      const photos = [1, 2, 3].map((n) =>
        w.add(new ResizeImageJob().with({ image: `launch-${n}.jpg`, width: 800 }), { name: `photo-${n}` }),
      )
      const catalogue = w.add(
        new ImportCatalogueJob().with({
          file: 'launch.csv',
          rows: 12,
          supplier: { name: 'Acme', country: 'FR' },
        }),
        { name: 'catalogue', after: photos },
      )
      const report = w.add(new BuildReportJob().with({ month: 'launch' }), {
        name: 'report',
        after: catalogue,
      })
      w.add(new SendReceiptJob().with({ order: 2, to: 'ada@example.com', tenant: 'acme' }), {
        name: 'tell-buyers',
        after: [charge, report],
      })
    }),
  )
  const workers: Worker[] = []
  for (const [queues, concurrency] of [
    [['emails', 'webhooks'], 12],
    [['payments', 'emails'], 8],
    [['images', 'imports'], 8],
  ] as const)
    workers.push(await jobs.work({ queues: [...queues], concurrency, report: silent }))
  let selling: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    selling = selling.then(() => sell(8 + (order % 9)))
  }, 1_000)
  return {
    jobs,
    ids: { running: running.id, failed: failed.id, workflow: launch.id, batch: newsletter.id },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await selling
      await Promise.all(workers.map((worker) => worker.stop(0)))
      await jobs.close()
    },
  }
}
