/**
 * The job classes of a chaos run. A payload has the number of the job and, for most jobs, how many
 * milliseconds it takes. Each run has a serial number, which is also the result of the run. So the store
 * shows whose end it accepted.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineSignal, group, Job, limiter, unique } from '@s18i/lark-jobs'
import { name, write } from './journal.js'

let runs = 0

export class ChaosJob extends Job {
  backoff = 100

  async handle(payload) {
    const { n, got } = payload
    const serial = `${name}#${++runs}`
    write('started', { n, id: this.id, serial, kind: this.key, attempt: this.attempt, got })
    try {
      await this.act(payload, serial)
    } catch (error) {
      write('failed', { n, serial })
      throw error
    }
    write('ended', { n, serial })
    return serial
  }

  /** Notes when the signal of the job is aborted, and why. */
  heed(serial, n) {
    const { signal } = this
    signal.addEventListener('abort', () => write('told', { n, serial, code: signal.reason?.code }))
    return signal
  }
}

export class InstantJob extends ChaosJob {
  key = 'instant'
  act() {}
}

/** A job in a queue that only one worker serves. The run of the job shows that this worker works. */
export class ProbeJob extends InstantJob {
  key = 'probe'
}

export class WaitingJob extends ChaosJob {
  key = 'waiting'
  act({ ms }) {
    return sleep(ms)
  }
}

/** A job that blocks the event loop. */
export class BlockingJob extends ChaosJob {
  key = 'blocking'
  act({ ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  }
}

/** A job that fails once and completes at its second attempt. */
export class ShakyJob extends ChaosJob {
  key = 'shaky'
  act() {
    if (this.attempt === 1) throw new Error('not at the first attempt')
  }
}

/** A job that never succeeds. */
export class HopelessJob extends ChaosJob {
  key = 'hopeless'
  tries = 2
  act() {
    throw new Error('never')
  }
}

/** The file that lets the `MendingJob`s of a flow succeed. */
export function mendedBy(flow) {
  return `${flow}.mended`
}

/** A job of a flow. The job fails until the file `mendedBy(flow)` exists. */
export class MendingJob extends ChaosJob {
  key = 'mending'
  tries = 2
  act() {
    if (!existsSync(mendedBy(this.flow.id))) throw new Error('not before the flow is mended')
  }
}

/** A job that ends when its signal is aborted. */
export class HeedfulJob extends ChaosJob {
  key = 'heedful'
  act({ ms, n }, serial) {
    return sleep(ms, undefined, { signal: this.heed(serial, n) })
  }
}

/** A job that ignores its signal. */
export class DeafJob extends ChaosJob {
  key = 'deaf'
  act({ ms, n }, serial) {
    this.heed(serial, n)
    return sleep(ms)
  }
}

/** A unique job: one for each user and queue. */
export class UniqueJob extends ChaosJob {
  key = 'unique'
  unique = unique(({ user }) => user)
  act({ ms }) {
    return sleep(ms)
  }
}

/** A job of a strict group: for each user and queue, it begins when the previous one has ended. */
export class StrictJob extends ChaosJob {
  key = 'strict'
  group = group(({ user }) => user, { strict: true })
  act({ ms }) {
    return sleep(ms)
  }
}

/** A job of a limiter, in all queues. */
export class MeteredJob extends ChaosJob {
  key = 'metered'
  limiter = limiter({ concurrency: Number(process.env.CHAOS_PERMITS) })
  act({ ms }) {
    return sleep(ms)
  }
}

/** The signal that a dispatcher sends to a stepped job. */
export const go = defineSignal('go')
/** How long a stepped job waits for its signal, in milliseconds. */
const PATIENCE = 3_000

/**
 * A job with durable steps: some steps at the same time, a sleep that suspends the job, and a wait for a
 * signal.
 */
export class SteppedJob extends ChaosJob {
  key = 'stepped'

  async act({ n, ms }, serial) {
    for (const step of ['one', 'two', 'three']) await this.noted(step, n, serial)
    await Promise.all(['left', 'right'].map((step) => this.noted(step, n, serial)))
    write('parted', { n, serial })
    await this.sleep('nap', ms)
    await this.noted('four', n, serial)
    write('parted', { n, serial })
    const came = await this.waitFor(go, { timeout: PATIENCE })
    write(came === undefined ? 'signal missed' : 'signal taken', { n, serial })
    await this.noted('five', n, serial)
  }

  async noted(step, n, serial) {
    const known = await this.step(step, () => {
      write('step begun', { n, serial, step })
      return serial
    })
    write('step known', { n, serial, step, known })
  }
}

/** A job whose steps have undos, with a sleep that suspends it if `ms` is long enough. */
export class BookingJob extends ChaosJob {
  key = 'booking'

  async act({ n, ms }, serial) {
    // A run that only undoes steps stops after the last undo, so no other line says that the run ended.
    write('parted', { n, serial })
    for (const step of ['seat', 'meal']) await this.booked(step, n, serial)
    await this.sleep('nap', ms)
    await Promise.all(['taxi', 'room'].map((step) => this.booked(step, n, serial)))
    await this.booked('mail', n, serial)
  }

  async booked(step, n, serial) {
    const book = () => {
      write('step begun', { n, serial, step })
      return serial
    }
    const undo = (_, { attempt }) => {
      write('undo begun', { n, serial, step })
      if (step === 'meal' && attempt === 1) throw new Error('not at the first try')
      write('undone', { n, serial, step })
    }
    await this.step(step, book, { undo, backoff: 50 })
    write('step known', { n, serial, step })
  }
}

/** A saga: it fails in the end, so its steps are undone. */
export class SagaJob extends BookingJob {
  key = 'saga'
  tries = 2
  async act(payload, serial) {
    await super.act(payload, serial)
    throw new Error('never')
  }
}

/** A callback of a flow: it notes what it reads of the flow. */
export class CallbackJob extends ChaosJob {
  key = 'callback'
  /** The job fails for as long as the store is away, so it needs many tries. */
  tries = 100
  async act({ n }, serial) {
    const { state, counts } = (await this.flow.status({ nodes: false })) ?? { state: 'gone' }
    write('read', { n, serial, state, counts })
  }
}

export const jobs = [
  InstantJob,
  ProbeJob,
  WaitingJob,
  BlockingJob,
  ShakyJob,
  HopelessJob,
  MendingJob,
  HeedfulJob,
  DeafJob,
  UniqueJob,
  StrictJob,
  MeteredJob,
  SteppedJob,
  BookingJob,
  SagaJob,
  CallbackJob,
]
