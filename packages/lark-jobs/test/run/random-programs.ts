/**
 * Random programs of steps, sleeps, waits, child jobs, `Promise.all` and `Promise.race`, and the rules that
 * their runs must keep although they are killed: a later run takes each recorded branch as the earlier runs
 * did, calls no recorded step again, and begins no child twice.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Job } from '../../src/index.ts'
import { JobsError } from '../../src/model/errors.ts'
import { defineSignal } from '../../src/step/signal.ts'
import { StepError } from '../../src/step/step-error.ts'
import type { Random } from '../conformance/random.ts'

export type ChildAct = { what: 'child'; name: string; ms: number; fails: boolean; timeout: number }

/** A program: one action, or several actions at the same time or one after the other. */
export type Act =
  | { what: 'step'; name: string; ms: number; fails?: true }
  | { what: 'sleep'; name: string; ms: number }
  | { what: 'wait'; name: string; ms: number; signals: string[] }
  | ChildAct
  | { what: 'all' | 'race' | 'seq'; name: string; acts: Act[] }

/** The names of the signals for which programs wait. */
export const signals = ['red', 'blue']

/** @param more a time in milliseconds that is added to some of the waits and timeouts */
export function programOf(random: Random, more = () => 0): Act {
  let count = 0
  const name = (what: string) => `${what}${++count}`
  const act = (depth: number): Act => {
    const kind = random.below(depth > 0 ? 9 : 5) - 1
    const ms = random.below(25)
    if (kind === -1)
      return {
        what: 'child',
        name: name('child'),
        ms,
        fails: random.below(3) === 0,
        timeout: 5 + random.below(40) + more(),
      }
    if (kind === 0) return { what: 'sleep', name: name('sleep'), ms: ms + more() }
    if (kind === 1)
      return {
        what: 'wait',
        name: name('wait'),
        ms: ms + 5 + more(),
        signals: random.below(2) ? signals : [signals[0]!],
      }
    if (kind < 4)
      return { what: 'step', name: name('step'), ms, ...(random.below(5) === 0 && { fails: true }) }
    const acts = Array.from({ length: 2 + random.below(2) }, () => act(depth - 1))
    return { what: (['seq', 'all', 'race', 'race'] as const)[kind - 4]!, name: name('many'), acts }
  }
  return { what: 'seq', name: 'main', acts: [act(2), act(2), act(2)] }
}

/** One run of a program. */
export interface ProgramRun {
  steps: Pick<Job, 'step' | 'sleep' | 'waitFor' | 'runJob'>
  /** The draft of a child job that does what the action says. */
  draft(act: ChildAct): Parameters<Job['runJob']>[1]
  /** Whether the run was killed. A killed run does nothing more. */
  isDead(): boolean
}

/** What the runs of one program have done, and the rules that they have broken. */
export class ProgramRuns {
  /** The rules that a run has broken. */
  readonly findings: string[] = []
  /** For each branch: the decision, noted when a step after the branch was called. */
  readonly #branches = new Map<string, string>()
  /** The children that were begun, by the names of their steps. */
  readonly children = new Map<string, string>()
  readonly #isRecorded: (name: string) => boolean

  /** @param isRecorded whether the store has the result of a step */
  constructor(isRecorded: (name: string) => boolean) {
    this.#isRecorded = isRecorded
  }

  async perform(act: Act, run: ProgramRun): Promise<string> {
    const { steps, isDead } = run
    if (isDead()) return new Promise(() => {})
    switch (act.what) {
      case 'step':
        try {
          return await steps.step(act.name, async () => {
            if (isDead()) return new Promise<string>(() => {})
            if (this.#isRecorded(act.name)) this.findings.push(`${act.name} was called again`)
            await pause(act.ms)
            if (act.fails) throw new Error('no')
            return act.name
          })
        } catch (error) {
          if (JobsError.is(error)) throw error
          return `${act.name} failed`
        }
      case 'sleep':
        await steps.sleep(act.name, act.ms)
        return act.name
      case 'wait': {
        const kinds = Object.fromEntries(act.signals.map((name) => [name, defineSignal(name)]))
        const got = await steps.waitFor(kinds, { timeout: act.ms, name: act.name })
        return `${act.name} ${got?.name ?? 'over'}`
      }
      case 'child':
        try {
          return String(await steps.runJob(act.name, run.draft(act), { timeout: act.timeout }))
        } catch (error) {
          if (!(error instanceof StepError)) throw error
          return `${act.name} ${error.code}`
        }
      case 'seq': {
        let last = ''
        for (const [i, each] of act.acts.entries()) {
          last = await this.perform(each, run)
          // The next action depends on the earlier result, so this is a branch.
          if (each.what !== 'step' || each.fails) last = await this.#branch(`${act.name} ${i}`, last, run)
        }
        return last
      }
      case 'all':
        return (await Promise.all(act.acts.map((each) => this.perform(each, run)))).join()
      case 'race':
        return this.#branch(
          act.name,
          await Promise.race(act.acts.map((each) => this.perform(each, run))),
          run,
        )
    }
  }

  /**
   * Notes the decision of a run. The step after the branch contains the decision, so its call proves which
   * branch was taken.
   */
  async #branch(name: string, took: string, { steps, isDead }: ProgramRun): Promise<string> {
    if (isDead()) return new Promise(() => {})
    return steps.step(`${name} took`, () => {
      if (isDead()) return took
      // From now on, the decision is known outside of the run.
      const before = this.#branches.get(name)
      if (before !== undefined && before !== took)
        this.findings.push(`${name} took ${before}, and in a later run ${took}`)
      this.#branches.set(name, took)
      return took
    })
  }

  /**
   * Notes that a child begins. @param id what distinguishes the child from other children of the same step
   *
   * @returns whether this child begins for the first time
   */
  begins(name: string, id: string): boolean {
    const before = this.children.get(name)
    if (before === undefined) this.children.set(name, id)
    else if (before !== id) this.findings.push(`${name} was begun as ${before}, and as ${id}`)
    return before === undefined
  }
}
