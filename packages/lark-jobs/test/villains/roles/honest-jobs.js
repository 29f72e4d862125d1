/** The honest classes that run in the worker. Their jobs wait, compute, and use the features of a worker. */
import { setTimeout as sleep } from 'node:timers/promises'
import { group, limiter } from '@s18i/lark-jobs'
import { HonestJob, spin } from './honest.js'

const acts = [(n) => sleep(n % 20), () => spin(1), () => undefined]

const plain = Array.from({ length: 12 }, (_, i) => {
  return class extends HonestJob {
    key = `honest-${i}`
    act(n) {
      return acts[i % acts.length](n)
    }
  }
})

class SteppedJob extends HonestJob {
  key = 'stepped'
  async act() {
    await this.step('one', () => 1)
    await this.step('two', () => sleep(5))
  }
}

class LimitedJob extends HonestJob {
  key = 'limited'
  limiter = limiter({ concurrency: 10 })
  act() {
    return sleep(5)
  }
}

class GroupedJob extends HonestJob {
  key = 'grouped'
  group = group(({ n }) => String(n % 40))
  act() {
    return sleep(5)
  }
}

class StrictJob extends HonestJob {
  key = 'strict'
  group = group(({ n }) => String(n % 40), { strict: true })
  act() {
    return sleep(5)
  }
}

class TalkingJob extends HonestJob {
  key = 'talking'
  act(n) {
    this.info(`speaks of ${n}`)
    this.progress(1, 2)
    return sleep(5)
  }
}

export const honestJobs = [...plain, SteppedJob, LimitedJob, GroupedJob, StrictJob, TalkingJob]
