import { Command, flag } from '@s18i/lark'
import { readable } from '../duration.ts'
import { Jobs } from '../jobs.ts'
import { CONCURRENCY, STOP_DEADLINE } from '../worker/options.ts'
import type { Summary } from '../worker/report.ts'
import type { Worker } from '../worker/worker.ts'
import { wholeFromOne } from './whole-from-one.ts'
import { ConsoleReport, JsonReport } from './work-report.ts'

/** `lark jobs:work`: a worker in the terminal. */
export class JobsWorkCommand extends Command {
  readonly key = 'jobs:work'
  override description = 'Run jobs from the queues'
  queue = flag.strings('Only these queues, strictly in this order (default: all, in fair turns)')
  concurrency = flag.number('Jobs at a time', { default: CONCURRENCY, short: 'c' })
  stopWhenEmpty = flag.boolean('End when nothing waits, runs, or is due within a minute')
  maxJobs = flag.number('End after so many jobs')

  async handle() {
    wholeFromOne('--concurrency', this.concurrency, this.key)
    wholeFromOne('--max-jobs', this.maxJobs, this.key)
    const report = this.json ? new JsonReport(this.console) : new ConsoleReport(this.console)
    const worker = await Jobs.work({
      report,
      concurrency: this.concurrency,
      ...(this.queue.length > 0 && { queues: this.queue }),
      ...(this.stopWhenEmpty && { stopWhenEmpty: true }),
      ...(this.maxJobs !== undefined && { maxJobs: this.maxJobs }),
    })
    const release = this.#onSignals(worker)
    const unhandled = (reason: unknown) => report.warn(unhandledText(reason))
    // One job's forgotten promise must not take down those that run beside it.
    process.on('unhandledRejection', unhandled)
    const summary = await worker.done
    report.end()
    this.#print(summary)
    await Jobs.close()
    release()
    // What the application's own files left open (a pool, a timer) must not hold up the end of a worker.
    setImmediate(() => process.stdout.write('', () => process.exit()))
  }

  /** The first finishes what runs; the second gives back at once. */
  #onSignals(worker: Worker): () => void {
    let signals = 0
    const stop = () => {
      signals++
      if (signals === 1)
        this.info(`Stopping: finishes what runs, ${STOP_DEADLINE / 1_000} s at most. Again to stop now.`)
      void worker.stop(signals === 1 ? STOP_DEADLINE : 0)
    }
    process.on('SIGINT', stop).on('SIGTERM', stop)
    return () => process.off('SIGINT', stop).off('SIGTERM', stop)
  }

  #print(summary: Summary): void {
    if (this.json) {
      this.console.json({ event: 'summary', ...summary })
      return
    }
    const { took, ...counts } = summary
    const done = counts.completed + counts.failed + counts.cancelled
    const parts = Object.entries(counts).flatMap(([what, count]) =>
      count > 0 || what === 'completed' ? [`${count.toLocaleString('en')} ${what}`] : [],
    )
    // Of a few jobs, or of slow ones, a rate says nothing.
    const perSecond = took > 0 ? Math.round((done / took) * 1_000) : 0
    const rate = done >= 100 && perSecond > 1 ? `, ${perSecond.toLocaleString('en')} jobs a second` : ''
    this.line(`${parts.join(', ')} in ${readable(took)}${rate}`)
  }
}

function unhandledText(reason: unknown): string {
  const text = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
  return `A promise was rejected, and nobody handled it (a job that did not await it?): ${text}`
}
