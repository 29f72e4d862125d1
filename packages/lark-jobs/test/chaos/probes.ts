/**
 * Checks that all roles work: each worker must complete a new job of its own queue, and each dispatcher must
 * report an accepted dispatch after the probe began.
 */

import type { Jobs } from '../../src/api/jobs.ts'
import { createJobs, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Crew, Role } from './crew.ts'
import type { Journals } from './journals.ts'
import { within } from './within.ts'

class ProbeJob extends Job {
  override readonly key = 'probe'
  handle(_payload: { n: string }) {}
}

export function probeQueue(role: string): string {
  return `probe-${role}`
}

export class Probes implements AsyncDisposable {
  readonly #jobs: Jobs
  readonly #journals: Journals
  readonly #crew: Crew
  readonly #deadline: number
  #count = 0

  /** @param deadline milliseconds after which a role that has done nothing counts as dead */
  constructor(
    url: string,
    prefix: string,
    workers: readonly Role[],
    journals: Journals,
    crew: Crew,
    deadline: number,
  ) {
    const queues = workers.map(({ name }) => probeQueue(name))
    this.#jobs = createJobs({ connection: url, prefix, queues })
    this.#journals = journals
    this.#crew = crew
    this.#deadline = deadline
  }

  async store() {
    return (await insideOf(this.#jobs).open()).store
  }

  /**
   * @returns after how many milliseconds the last role showed that it works, and the roles that did not show
   *   it, with the reasons
   */
  async everyone(
    workers: readonly Role[],
    dispatchers: readonly Role[],
  ): Promise<{ took: number; dead: { by: string; why: string }[] }> {
    const began = Date.now()
    const dead: { by: string; why: string }[] = []
    const looks = [
      ...workers.map((role) => [role, () => this.#completes(role)] as const),
      ...dispatchers.map((role) => [role, () => this.#dispatches(role, began)] as const),
    ]
    const note = (role: Role) => (error: Error) => {
      dead.push({ by: this.#crew.nameOf(role), why: `after ${Date.now() - began} ms: ${error.message}` })
    }
    await Promise.all(looks.map(([role, look]) => look().catch(note(role))))
    return { took: Date.now() - began, dead }
  }

  async #completes(role: Role): Promise<void> {
    const job = new ProbeJob()
    job.queueName = probeQueue(role.name)
    const n = `probe-${++this.#count}`
    const { reading } = this.#journals
    const line = { by: 'conductor', ns: [n], kind: 'probe' }
    reading.take({ ...line, at: Date.now(), what: 'asked' })
    await this.#jobs.dispatch(job, { n })
    reading.take({ ...line, at: Date.now(), what: 'accepted' })
    const store = await this.store()
    await within(this.#deadline, `${role.name} completes a job`, async () => {
      return (await store.get(job.queueName, job.id!))?.state === 'completed'
    })
  }

  async #dispatches(role: Role, since: number): Promise<void> {
    await within(this.#deadline, `${role.name} dispatches a job`, async () => {
      const { lastSign } = await this.#journals.read()
      return (lastSign.get(this.#crew.nameOf(role)) ?? 0) > since
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#jobs.close()
  }
}
