/**
 * The metrics of one process, including those that it observes in its stores.
 *
 * An application may set up its SDK after Lark was configured. A meter that was requested before that has no
 * effect, even later (unlike a tracer). So each use checks whether the global provider has changed. The
 * counters are kept here and read only when metrics are collected, because an instrument of the SDK takes 1
 * µs for each call. (Node 20.20, 2026-11-27.)
 */
import {
  type Attributes,
  type BatchObservableResult,
  diag,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type ObservableResult,
} from '@opentelemetry/api'
import { TOLD_BOUNDS } from '../../model/run/run-counts.ts'
import type { Levels } from '../../model/run/telemetry.ts'
import { version } from '../../model/version.ts'
import { textOf } from '../../words/thrown.ts'
import { attribute, metric, SCOPE, SYSTEM } from './conventions.ts'

/** The bucket bounds that the conventions recommend, in seconds. */
const RECOMMENDED = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

type AskLevels = () => Promise<Levels>

export class Meters {
  #provider: MeterProvider | undefined
  #instruments: Instruments | undefined
  readonly #sent = new RisingSums()
  readonly #consumed = new RisingSums()
  readonly #sendLabels = new Known((queue) => ({ ...labelsOf('send', queue), [attribute.type]: 'send' }))
  readonly #runLabels = new Known(
    (queue) =>
      new Known(
        (key): RunLabels => ({
          wait: { [attribute.queue]: queue, [attribute.key]: key },
          process: { ...labelsOf('process', queue), [attribute.key]: key },
        }),
      ),
  )
  readonly #looks = new Set<AskLevels>()

  /** A dispatch has ended. @param took the duration in milliseconds */
  sent(queue: string, count: number, took: number, errorType: string | undefined): void {
    this.#sent.add(count, 'send', queue, errorType)
    this.#current.operation.record(took / 1_000, withError(this.#sendLabels.of(queue), errorType))
  }

  /** A run begins. @param waited how long the job had been due, in milliseconds */
  began(queue: string, key: string, waited: number): void {
    this.#consumed.add(1, 'process', queue)
    this.#current.wait.record(waited / 1_000, this.#runLabels.of(queue).of(key).wait)
  }

  /** A run has ended. @param took the duration in milliseconds */
  processed(queue: string, key: string, took: number, errorType: string | undefined): void {
    const { process } = this.#runLabels.of(queue).of(key)
    this.#current.process.record(took / 1_000, withError(process, errorType))
  }

  /** Observes the contents of a store until the returned function is called. */
  observe(look: AskLevels): () => void {
    this.#looks.add(look)
    void this.#current
    return () => this.#looks.delete(look)
  }

  get #current(): Instruments {
    const provider = metrics.getMeterProvider()
    if (provider !== this.#provider || this.#instruments === undefined) {
      this.#provider = provider
      this.#instruments = this.#make(provider.getMeter(SCOPE, version))
    }
    return this.#instruments
  }

  #make(meter: Meter): Instruments {
    const message = { unit: '{message}' }
    meter
      .createObservableCounter(metric.sent, { ...message, description: 'Jobs that were dispatched.' })
      .addCallback((result) => this.#sent.tell(result))
    meter
      .createObservableCounter(metric.consumed, { ...message, description: 'Runs that have begun.' })
      .addCallback((result) => this.#consumed.tell(result))
    this.#observeLevels(meter)
    const seconds = (name: string, description: string, bounds: readonly number[]) =>
      meter.createHistogram(name, {
        ...{ unit: 's', description },
        advice: { explicitBucketBoundaries: [...bounds] },
      })
    return {
      operation: seconds(metric.operation, 'How long dispatches took.', RECOMMENDED),
      process: seconds(metric.process, 'How long runs took.', RECOMMENDED),
      wait: seconds(
        metric.wait,
        'From when a job was due until it began.',
        TOLD_BOUNDS.map((ms) => ms / 1_000),
      ),
    }
  }

  #observeLevels(meter: Meter): void {
    const gauge = (name: string, unit: string, description: string) =>
      meter.createObservableGauge(name, { unit, description })
    const oldest = gauge(metric.oldest, 's', 'Since when the first waiting job was due; 0 if none waits.')
    const waited = gauge(metric.waited, 's', 'How long runs of the last five minutes had waited.')
    const took = gauge(metric.took, 's', 'How long runs of the last five minutes took.')
    const stored = gauge(metric.stored, '{job}', 'Jobs in the store, by state.')
    const retrying = gauge(metric.retrying, '{job}', 'Jobs that have failed, and wait for their next try.')
    const suspended = gauge(metric.suspended, '{job}', 'Jobs that sleep, or wait for a signal.')
    const stranded = gauge(metric.stranded, '{job}', 'Jobs that no worker could read so far.')
    const held = gauge(metric.held, '{permit}', 'Permits of a limiter that are in use.')
    const limit = gauge(metric.limit, '{permit}', 'How many permits a limiter grants at a time.')
    const errors = gauge(metric.storeErrors, '{server}', 'Servers of the store with an error of the doctor.')
    const late = gauge(metric.late, '{schedule}', 'Schedules that have not ticked when they were due.')
    const paused = gauge(metric.paused, '{schedule}', 'Schedules that are paused.')
    const findings = gauge(metric.findings, '{finding}', 'Errors and warnings that the doctor finds.')
    const observe = (result: BatchObservableResult, levels: Levels) => {
      const { queues, limiters, storeErrors, schedules } = levels
      for (const { code, severity, count } of levels.findings)
        result.observe(findings, count, { [attribute.finding]: code, [attribute.severity]: severity })
      for (const [code, count] of storeErrors) result.observe(errors, count, { [attribute.finding]: code })
      result.observe(late, schedules.late)
      result.observe(paused, schedules.paused)
      for (const { queue, oldest: ms, retrying: failed, suspended: waiting, ...more } of queues) {
        const { stranded: unread, states } = more
        const labels = { [attribute.queue]: queue }
        result.observe(oldest, ms / 1_000, labels)
        result.observe(retrying, failed, labels)
        result.observe(suspended, waiting, labels)
        result.observe(stranded, unread, labels)
        for (const [quantile, ms] of Object.entries(more.waited))
          result.observe(waited, ms / 1_000, { ...labels, [attribute.quantile]: quantile })
        for (const [quantile, ms] of Object.entries(more.took))
          result.observe(took, ms / 1_000, { ...labels, [attribute.quantile]: quantile })
        for (const [state, count] of Object.entries(states))
          result.observe(stored, count, { ...labels, [attribute.state]: state })
      }
      for (const { limiter, held: used, limit: most } of limiters) {
        const labels = { [attribute.limiter]: limiter }
        result.observe(held, used, labels)
        if (most !== undefined) result.observe(limit, most, labels)
      }
    }
    // All instruments share one callback, so that each collection reads the store only once.
    meter.addBatchObservableCallback(
      async (result) => {
        for (const look of this.#looks) {
          try {
            observe(result, await look())
          } catch (error) {
            diag.warn(`lark-jobs: the metrics of the store are missing: ${textOf(error)}`)
          }
        }
      },
      [
        oldest,
        waited,
        took,
        stored,
        retrying,
        suspended,
        stranded,
        held,
        limit,
        errors,
        late,
        paused,
        findings,
      ],
    )
  }
}

interface Instruments {
  operation: Histogram
  process: Histogram
  wait: Histogram
}

/** Sums that never fall, by their attributes. */
class RisingSums {
  readonly #sums = new Map<string, { attributes: Attributes; sum: number }>()

  add(count: number, operation: string, queue: string, errorType?: string): void {
    const name = errorType === undefined ? queue : `${queue} ${errorType}`
    const known = this.#sums.get(name)
    if (known !== undefined) known.sum += count
    else this.#sums.set(name, { attributes: withError(labelsOf(operation, queue), errorType), sum: count })
  }

  tell(result: ObservableResult): void {
    for (const { attributes, sum } of this.#sums.values()) result.observe(sum, attributes)
  }
}

/** The attributes of the runs of a queue and key. */
interface RunLabels {
  wait: Attributes
  process: Attributes
}

/** Values that are made only once for each name. */
class Known<T> {
  readonly #made = new Map<string, T>()
  readonly #make: (name: string) => T

  constructor(make: (name: string) => T) {
    this.#make = make
  }

  of(name: string): T {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const made = this.#make(name)
    this.#made.set(name, made)
    return made
  }
}

function labelsOf(operation: string, queue: string): Attributes {
  return {
    [attribute.system]: SYSTEM,
    [attribute.operation]: operation,
    [attribute.queue]: queue,
  }
}

function withError(labels: Attributes, errorType: string | undefined): Attributes {
  return errorType === undefined ? labels : { ...labels, [attribute.error]: errorType }
}
