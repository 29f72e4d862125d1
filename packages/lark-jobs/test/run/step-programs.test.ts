/**
 * Random programs of steps, sleeps, waits, child jobs, `Promise.all` and `Promise.race`. Their runs are
 * killed again and again. A later run takes each recorded branch as the earlier runs did, calls no recorded
 * step again, and begins no child twice.
 *
 * The store is a list in memory that keeps the same data as a real store. `working/programming.ts` runs such
 * programs on real stores.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { childSignal, writeChildEnd } from '../../src/flow/child.ts'
import type { KeptSignal } from '../../src/model/journal.ts'
import { Steps } from '../../src/step/steps.ts'
import { Random } from '../conformance/random.ts'
import {
  type Act,
  type ChildAct,
  type ProgramRun,
  ProgramRuns,
  programOf,
  signals,
} from './random-programs.ts'

const PROGRAMS = 150

class World {
  readonly entries: string[] = []
  readonly signals: KeptSignal[] = []
  readonly did = new ProgramRuns((name) => this.entries.some((entry) => entry.startsWith(`r${name}\n`)))
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
        begin: async ({ flow }) => this.begin(flow, draft.payload as ChildAct),
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
      const draft = (act: ChildAct) => ({ Class: class ChildJob {} as never, payload: act })
      const run = { steps, draft, isDead: () => isDead } as unknown as ProgramRun
      this.did.perform(program, run).then(
        () => over(!isDead),
        (error) => {
          if (!isDead) this.did.findings.push(String(error))
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

  /** Begins a child. As in a store, a child that is begun again changes nothing. */
  begin(flow: string, { name, ms, fails }: ChildAct): void {
    if (!this.did.begins(name, flow)) return
    const end = {
      at: 0,
      ...(fails ? { state: 'failed', error: 'no' } : { state: 'completed', result: `"${name}"` }),
    }
    setTimeout(
      () => this.signals.push({ name: childSignal(flow), text: writeChildEnd(end as never) }),
      ms,
    ).unref()
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
    const broken = all.filter(({ world }) => world.did.findings.length > 0)
    expect(
      broken.map(({ seed, world }) => ({ seed, findings: world.did.findings, entries: world.entries })),
    ).toEqual([])
    expect(all.filter(({ world }) => world.did.children.size > 0).length).toBeGreaterThan(PROGRAMS / 2)
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
