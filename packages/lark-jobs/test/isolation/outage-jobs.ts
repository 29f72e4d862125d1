/** Isolated classes that write a line when they begin and end, and go on when a file exists. */
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { isolated, Job } from '../../src/index.ts'

/** A result for which a full file has no room. */
const LARGE = 'x'.repeat(50_000)

interface Held {
  n: number
  /** A folder, in which `journal` gets a line for each event, and `go` lets the jobs go on. */
  folder: string
}

abstract class HeldJob extends Job {
  override isolate = isolated({ file: import.meta.url })
  override tries = 1

  protected write(what: string, { n, folder }: Held): void {
    appendFileSync(`${folder}/journal`, `${what} ${n}\n`)
  }

  protected async go({ folder }: Held): Promise<void> {
    while (!existsSync(`${folder}/go`)) await pause(10)
  }
}

export class WaitJob extends HeldJob {
  async handle(held: Held) {
    this.write('begin', held)
    await this.go(held)
    this.info('goes on')
    this.write('end', held)
    return { n: held.n, text: LARGE }
  }
}

export class StepsJob extends HeldJob {
  async handle(held: Held) {
    await this.step('begin', () => this.write('begin', held))
    await this.go(held)
    await this.step('end', () => this.write('end', held))
    return { n: held.n, text: LARGE }
  }
}
