/**
 * Random programs of steps, sleeps, waits, child jobs, `Promise.all` and `Promise.race`. Their runs are
 * killed again and again. A later run takes each recorded branch as the earlier runs did, calls no recorded
 * step again, and begins no child twice.
 *
 * The store is a list in memory that keeps the same data as a real store. `conformance/journals.ts` tests
 * real stores.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { childSignal, writeChildEnd } from '../../src/flow/child.ts'
import { JobsError } from '../../src/model/errors.ts'
import type { KeptSignal } from '../../src/model/journal.ts'
import { defineSignal } from '../../src/step/signal.ts'
import { StepError } from '../../src/step/step-error.ts'
import { Steps } from '../../src/step/steps.ts'
import { Random } from '../conformance/random.ts'

/** A program: one action, or several actions at the same time or one after the other. */
type Act =
  | { what: 'step'; name: string; ms: number; fails?: true }
  | { what: 'sleep'; name: string; ms: number }
  | { what: 'wait'; name: string; ms: number; signals: string[] }
  | { what: 'child'; name: string; ms: number; fails: boolean; timeout: number }
  | { what: 'all' | 'race' | 'seq'; name: string; acts: Act[] }

const PROGRAMS = 150
const signals = ['red', 'blue']

function programOf(random: Random): Act {
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
        timeout: 5 + random.below(40),
      }
    if (kind === 0) return { what: 'sleep', name: name('sleep'), ms }
    if (kind === 1)
      return {
        what: 'wait',
        name: name('wait'),
        ms: ms + 5,
        signals: random.below(2) ? signals : [signals[0]!],
      }
    if (kind < 4)
      return { what: 'step', name: name('step'), ms, ...(random.below(5) === 0 && { fails: true }) }
    const acts = Array.from({ length: 2 + random.below(2) }, () => act(depth - 1))
    return { what: (['seq', 'all', 'race', 'race'] as const)[kind - 4]!, name: name('many'), acts }
  }
  return { what: 'seq', name: 'main', acts: [act(2), act(2), act(2)] }
}

class World {
  readonly entries: string[] = []
  readonly signals: KeptSignal[] = []
  /** For each branch: the decision, noted when a step after the branch was called. */
  readonly branches = new Map<string, string>()
  /** The flows of the children that were begun, by the names of their steps. */
  readonly children = new Map<string, string>()
  /** The rules that a run has broken. */
  readonly findings: string[] = []
  readonly #random: Random
  runs = 0
  #flows = 0

  constructor(random: Random) {
    this.#random = random
    for (const name of signals)
      setTimeout(() => this.signals.push({ name, text: '' }), random.below(80)).unref()
  }

  /** Makes one run of the program. @returns whether the run reached the end of the program */
  async run(program: Act): Promise<boolean> {
    this.runs += 1
    /** The run is killed when this many further entries are stored. */
    let left = this.runs > 30 ? Number.POSITIVE_INFINITY : 1 + this.#random.below(2)
    const before = this.entries.length
    const abort = new AbortController()
    let isDead = false
    let isSending = false
    let over!: (ended: boolean) => void
    const ended = new Promise<boolean>((resolve) => {
      over = resolve
    })
    const die = () => {
      isDead = true
      over(false)
    }
    let isAsked = false
    const send = async () => {
      isAsked = true
      if (isSending) return
      isSending = true
      while (isAsked && !isDead) {
        isAsked = false
        await (this.#random.below(2) ? turn() : pause(this.#random.below(3)))
        if (isDead) return
        const { steps: recorded, heard } = steps.take()
        for (const entry of recorded?.entries.slice(this.entries.length - recorded.at) ?? []) {
          this.entries.push(entry)
          left -= 1
          if (left === 0) return die()
        }
        await turn()
        if (isDead) return
        steps.answered(heard === undefined ? [] : this.signals.slice(heard))
      }
      isSending = false
    }
    const steps: Steps = new Steps({
      job: {
        ...{ id: 'job', queuedAt: 1, runs: this.runs, crashes: 0, failures: 0 },
        journal: {
          ...{ entries: [...this.entries], count: before, bytes: 0 },
          signals: this.signals.slice(),
        },
      },
      ...{ name: 'RandomJob', isKept: true },
      ...{ reason: undefined, spent: undefined, hadSpent: () => {} },
      signal: abort.signal,
      now: () => Date.now(),
      send: () => void send(),
      more: async () => undefined,
      ready: async (draft) => ({
        place: { flow: `flow${this.#flows++}`, home: 'queue' },
        begin: async ({ flow }) => this.begin(flow, draft.payload as Act & { what: 'child' }),
        goesOn: async () => false,
      }),
      suspend: () => {
        isDead = true
        // If the job waits for a signal that has already arrived, the job is due at once, as in a store.
        over(false)
      },
    } as ConstructorParameters<typeof Steps>[0])
    // A new signal makes the worker ask for signals.
    const bell = setInterval(() => isDead || void send(), 5)
    try {
      const perform = async (act: Act): Promise<string> => {
        if (isDead) return new Promise(() => {})
        switch (act.what) {
          case 'step':
            try {
              return await steps.step(act.name, async () => {
                if (isDead) return new Promise<string>(() => {})
                this.call(act.name)
                await pause(act.ms)
                if (act.fails) throw new Error('no')
                return act.name
              })
            } catch (error) {
              if (error instanceof JobsError) throw error
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
              const draft = { Class: class ChildJob {} as never, payload: act }
              return String(await steps.runJob(act.name, draft, { timeout: act.timeout }))
            } catch (error) {
              if (!(error instanceof StepError)) throw error
              return `${act.name} ${error.code}`
            }
          case 'seq': {
            let last = ''
            for (const [i, each] of act.acts.entries()) {
              last = await perform(each)
              // The next action depends on the earlier result, so this is a branch.
              if (each.what !== 'step' || each.fails)
                last = await this.branch(`${act.name} ${i}`, last, () => isDead, steps)
            }
            return last
          }
          case 'all':
            return (await Promise.all(act.acts.map(perform))).join()
          case 'race':
            return this.branch(act.name, await Promise.race(act.acts.map(perform)), () => isDead, steps)
        }
      }
      perform(program).then(
        () => over(!isDead),
        (error) => {
          if (!isDead) this.findings.push(String(error))
          over(true)
        },
      )
      return await ended
    } finally {
      isDead = true
      clearInterval(bell)
      steps.end(undefined)
    }
  }

  /**
   * Notes the decision of a run. The step after the branch contains the decision, so its call proves which
   * branch was taken.
   */
  async branch(name: string, took: string, isDead: () => boolean, steps: Steps): Promise<string> {
    if (isDead()) return new Promise(() => {})
    return steps.step(`${name} took`, () => {
      if (isDead()) return took
      // From now on, the decision is known outside of the run.
      const before = this.branches.get(name)
      if (before !== undefined && before !== took)
        this.findings.push(`${name} took ${before}, and in run ${this.runs} ${took}`)
      this.branches.set(name, took)
      return took
    })
  }

  /** Begins a child. As in a store, a child that is begun again changes nothing. */
  begin(flow: string, { name, ms, fails }: Act & { what: 'child' }): void {
    const before = this.children.get(name)
    if (before === flow) return
    if (before !== undefined) this.findings.push(`${name} was begun as ${before}, and as ${flow}`)
    this.children.set(name, flow)
    const end = {
      at: 0,
      ...(fails ? { state: 'failed', error: 'no' } : { state: 'completed', result: `"${name}"` }),
    }
    setTimeout(
      () => this.signals.push({ name: childSignal(flow), text: writeChildEnd(end as never) }),
      ms,
    ).unref()
  }

  call(name: string): void {
    if (this.entries.some((entry) => entry.startsWith(`r${name}\n`)))
      this.findings.push(`${name} was called again`)
  }
}

test.each([1, 2])(
  'random programs whose runs are killed take the same branches again, lot %i',
  { timeout: 120_000 },
  async (lot) => {
    const all = await Promise.all(
      Array.from({ length: PROGRAMS }, async (_, i) => {
        const random = new Random(lot * 10_000 + i)
        const program = programOf(random)
        const world = new World(random)
        while (!(await world.run(program)));
        return { seed: lot * 10_000 + i, world, program }
      }),
    )
    const broken = all.filter(({ world }) => world.findings.length > 0)
    expect(
      broken.map(({ seed, world }) => ({ seed, findings: world.findings, entries: world.entries })),
    ).toEqual([])
    expect(all.filter(({ world }) => world.children.size > 0).length).toBeGreaterThan(PROGRAMS / 2)
    expect(all.filter(({ world }) => world.runs > 2).length).toBeGreaterThan(PROGRAMS / 2)
  },
)

/** The steps of a run that nobody kills. */
function stepsOf(entries: string[], crashes = 0, send = () => {}): Steps {
  return new Steps({
    job: {
      ...{ id: 'job', queuedAt: 1, runs: 2, crashes, failures: 0 },
      journal: { entries, count: entries.length, bytes: 0, signals: [] },
    },
    ...{ name: 'RandomJob', isKept: true },
    ...{ reason: undefined, spent: undefined, hadSpent: () => {}, suspend: undefined },
    ...{ signal: new AbortController().signal, now: () => Date.now(), more: async () => undefined, send },
  } as ConstructorParameters<typeof Steps>[0])
}

test('in a race, recorded results win against results that are not recorded, however long it takes to read them', async () => {
  const names = Array.from({ length: 50 }, (_, i) => `step${i}`)
  const steps = stepsOf(['wnap\n1', ...names.map((name) => `r${name}\n1`)])
  const inTurn = async () => {
    for (const name of names) await steps.step(name, () => 1)
    return 'steps'
  }
  // The time of the sleep is over now, but it was not over when the earlier run ended.
  expect(await Promise.race([steps.sleep('nap', 1).then(() => 'nap'), inTurn()])).toBe('steps')
  steps.end(undefined)
})

test('if a worker of the job has died, the next run records a sleep as soon as the sleep begins, as progress', async () => {
  let asked!: () => void
  const sent = new Promise<void>((resolve) => {
    asked = resolve
  })
  const steps = stepsOf([], 1, asked)
  const nap = steps.sleep('nap', 1)
  await sent
  expect(steps.take().steps).toEqual({
    at: 0,
    entries: [expect.stringMatching(/^wnap\n[0-9a-z]+$/)],
    isProgress: true,
  })
  steps.answered([])
  await nap
  steps.end(undefined)
})
