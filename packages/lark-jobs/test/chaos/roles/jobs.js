/**
 * The jobs of the suite, of every temper. A payload has the job's number and, for most, how many milliseconds it takes.
 * Each run has a serial number; it is the job's result too, so the store says whose end it accepted.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { group, Job, limiter, unique } from '@s18i/lark-jobs'
import { name, write } from './journal.js'

let runs = 0

class ChaosJob extends Job {
  backoff = 100

  async handle(payload) {
    const { n } = payload
    const serial = `${name}#${++runs}`
    write('started', { n, id: this.id, serial, kind: this.key, attempt: this.attempt })
    try {
      await this.act(payload, serial)
    } catch (error) {
      write('failed', { n, serial })
      throw error
    }
    write('ended', { n, serial })
    return serial
  }

  /** Writes down when the job is told to end, and why. */
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

/** One for each worker, in a queue that nobody else serves: shows that it lives. */
export class ProbeJob extends InstantJob {
  key = 'probe'
}

export class WaitingJob extends ChaosJob {
  key = 'waiting'
  act({ ms }) {
    return sleep(ms)
  }
}

/** Holds up the event loop. */
export class BlockingJob extends ChaosJob {
  key = 'blocking'
  act({ ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  }
}

/** Works at its second attempt. */
export class ShakyJob extends ChaosJob {
  key = 'shaky'
  act() {
    if (this.attempt === 1) throw new Error('not at the first attempt')
  }
}

/** Never works. */
export class HopelessJob extends ChaosJob {
  key = 'hopeless'
  tries = 2
  act() {
    throw new Error('never')
  }
}

/** Ends when it is told to. */
export class HeedfulJob extends ChaosJob {
  key = 'heedful'
  act({ ms, n }, serial) {
    return sleep(ms, undefined, { signal: this.heed(serial, n) })
  }
}

/** Goes on when it is told to end. */
export class DeafJob extends ChaosJob {
  key = 'deaf'
  act({ ms, n }, serial) {
    this.heed(serial, n)
    return sleep(ms)
  }
}

/** One of its user and queue at a time. */
export class UniqueJob extends ChaosJob {
  key = 'unique'
  unique = unique(({ user }) => user)
  act({ ms }) {
    return sleep(ms)
  }
}

/** Of its user and queue one begins when the one before it has ended. */
export class StrictJob extends ChaosJob {
  key = 'strict'
  group = group(({ user }) => user, { strict: true })
  act({ ms }) {
    return sleep(ms)
  }
}

/** Of which so many run at a time, in all queues. */
export class MeteredJob extends ChaosJob {
  key = 'metered'
  limiter = limiter({ concurrency: Number(process.env.CHAOS_PERMITS) })
  act({ ms }) {
    return sleep(ms)
  }
}

export const jobs = [
  InstantJob,
  ProbeJob,
  WaitingJob,
  BlockingJob,
  ShakyJob,
  HopelessJob,
  HeedfulJob,
  DeafJob,
  UniqueJob,
  StrictJob,
  MeteredJob,
]
