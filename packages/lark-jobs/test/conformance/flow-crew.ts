/**
 * Workers that work at the same time. A worker may die at any call, and calls and answers may be lost. A dead
 * worker is replaced.
 */
import { FlowWorker, workUntilQuiet } from './flow-worker.ts'
import type { World } from './flow-world.ts'
import type { Random } from './random.ts'

const SIZE = 3

interface Member {
  worker: FlowWorker
  died: Promise<void>
}

export class Crew {
  readonly #world: World
  readonly #random: Random
  readonly #members: Member[]

  constructor(world: World, random: Random) {
    this.#world = world
    this.#random = random
    this.#members = Array.from({ length: SIZE }, () => this.#newMember())
  }

  /**
   * Lets the workers of the crew work for some rounds, and then one reliable worker until nothing is left to
   * do.
   */
  async work(rounds: number, between: () => Promise<unknown> = async () => {}): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const isDead = await Promise.all(
        this.#members.map(({ worker, died }) =>
          Promise.race([worker.round().then(() => false), died.then(() => true)]),
        ),
      )
      for (const [n, dead] of isDead.entries()) if (dead) this.#members[n] = this.#newMember()
      await between()
      if (this.#random.chance(2)) this.#world.advance(this.#random.pick([10, 600, 2_100, 5_100])!)
      if (this.#random.chance(3)) await this.#world.next()
    }
    await workUntilQuiet(this.#world, [new FlowWorker(this.#world)])
  }

  #newMember(): Member {
    const { store, died } = this.#world.mortal(
      1 + this.#random.below(30),
      this.#world.lossy(() => this.#loses()),
    )
    return { worker: new FlowWorker(this.#world, store), died }
  }

  #loses(): 'call' | 'answer' | undefined {
    return this.#random.chance(10) ? this.#random.pick(['call', 'answer']) : undefined
  }
}
