/** The isolated classes: five villains, and two honest classes that share their pool. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isolated } from '@s18i/lark-jobs'
import { HonestJob, spin } from './honest.js'
import { write } from './journal.js'

const file = import.meta.url

export class ComputingJob extends HonestJob {
  isolate = isolated({ file })
  act() {
    spin(3)
  }
}

export class WaitingJob extends HonestJob {
  isolate = isolated({ file })
  act(n) {
    return sleep(n % 20)
  }
}

class Villain extends HonestJob {
  isolate = isolated({ file, grace: 200 })
  timeout = 1_000
  tries = 1
  handle() {
    write('begin', { id: this.id })
    this.act()
  }

  /** Called in the worker. */
  failed({ code }) {
    write('failed', { id: this.id, code })
  }
}

export class LoopJob extends Villain {
  act() {
    for (;;);
  }
}

export class WaitJob extends Villain {
  act() {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}

export class GreedyJob extends Villain {
  isolate = isolated({ file, grace: 200, memory: '150mb' })
  timeout = 10_000
  act() {
    const all = []
    for (;;) all.push(Buffer.alloc(2 ** 20, 1))
  }
}

export class ExitJob extends Villain {
  timeout = 10_000
  act() {
    process.exit(3)
  }
}

export class AbortJob extends Villain {
  timeout = 10_000
  act() {
    process.abort()
  }
}
