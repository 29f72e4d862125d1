/**
 * The steps of one run: the code behind `this.step`, `this.sleep` and `this.waitFor`. If an earlier run has
 * recorded a step, the run finds the step by its name and uses its result. The step does not run again. Any
 * other step runs now and is recorded. The states of the steps of a run:
 *
 *   running → suspended, or ended
 */
import { defined } from '@s18i/lark/internal'
import { childSignal, readChildEnd } from '../flow/child.ts'
import { pauseAfter } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import { FOREVER, type KeptSignal, type Recorded } from '../model/journal.ts'
import { encode } from '../model/payload.ts'
import { jobError } from '../model/run/job-error.ts'
import { isNonRetryable } from '../model/run/non-retryable.ts'
import { next } from '../waiting/next.ts'
import type { Duration } from '../words/duration.ts'
import { type ApprovalOptions, approval, type KeptToken, type NewToken, type TokenPlace } from './approval.ts'
import { type Attention, Awaited, never } from './awaited.ts'
import { callStep, failCalls, stepAround } from './call.ts'
import {
  type Child,
  type ChildDraft,
  childResult,
  nextLook,
  type ReadyChild,
  type RunJobOptions,
  readRunJob,
} from './child.ts'
import { writeEntry, writeTime } from './entries.ts'
import type { StepDatabase, StepInOptions, StepRow } from './in-database.ts'
import { type EachItemOptions, endsLot, type ItemsPage, type ItemsPlace, readItems } from './items.ts'
import {
  commitsInside,
  copied,
  given,
  hasEnded,
  noChildren,
  noPage,
  notAwaited,
  shortened,
  usedTwice,
  waitsInside,
} from './misused.ts'
import { type StepName, stepKey, stepWords } from './name.ts'
import { Recorder } from './recorder.ts'
import { endsWait, Replay, recorded, type StepEnd } from './replay.ts'
import { kindsIn, type SignalKind, signalGot, type Waited, type WaitOptions } from './signal.ts'
import { Stamps } from './stamp.ts'
import { StepError, stepsIn } from './step-error.ts'
import {
  convert,
  type How,
  inTime,
  msOf,
  readOptions,
  resultText,
  type StepContext,
  type StepOptions,
  type Undo,
  versioned,
} from './step-options.ts'
import type { StepsAround, StepsOfRun } from './steps-around.ts'
import { Turns } from './turns.ts'
import { undoSteps } from './undo-steps.ts'
import { Undoing, type UndoneSteps } from './undoing.ts'
import { Waits } from './waits.ts'

export class Steps implements StepsOfRun {
  readonly #around: StepsAround
  readonly #used = new Set<string>()
  readonly #replay: Replay
  readonly #recorder: Recorder
  readonly #waits: Waits
  readonly #stamps = new Stamps()
  /**
   * The steps and waits that have not ended, by their keys. Each wait has an object that knows whether the
   * handler awaits it.
   */
  readonly #open = new Map<string, Attention | undefined>()
  readonly #turns: Turns
  /** How many functions of steps and reads of the journal are running. */
  #busy = 0
  #isDropped = false
  /** Whether the handler has ended, and the run was not suspended before. */
  #hasEnded = false
  /** The name of the job in rows of the application's database. Resolves when the name is stored. */
  #named: Promise<string> | undefined
  /** Whether a wait has begun for signals that may have come already. */
  #asks = false
  /** The undos that this run collects. Undefined if the run does not undo steps. */
  readonly #undoing: Undoing<Undo> | undefined
  /**
   * The failed steps whose errors were or will be recorded. If `handle` throws such an error, the step gets
   * an entry `forgotten` with the value in this map.
   */
  readonly #failures = new Map<string, string>()

  constructor(around: StepsAround) {
    this.#around = around
    this.#turns = new Turns(() => this.#open.size < 2, around.times?.soon)
    const { journal } = around.job
    this.#replay = new Replay(
      journal,
      (from) => around.more(from),
      this.#turns,
      // The time of an earlier run counts only if that run belongs to this attempt: after a failure, a new
      // attempt begins.
      (run, ms) => run === around.job.runs - 1 && !journal?.undo && around.hadSpent(ms),
    )
    this.#recorder = new Recorder(around.job, () => around.send(), this.#replay)
    if (journal?.undo) {
      this.#undoing = new Undoing()
      this.#recorder.isUnbounded = true
    }
    this.#waits = new Waits(
      {
        recorder: this.#recorder,
        now: () => this.#now(),
        turns: this.#turns,
        stamps: this.#stamps,
        isIdle: () => this.#busy === 0 && around.reason === undefined,
        times: around.times,
        suspend: around.suspend && ((...wait) => this.#suspend(...wait)),
        rests: around.rests,
      },
      journal?.signals ?? [],
      this.#replay.taken,
    )
  }

  async step<T>(
    name: StepName,
    work: (context: StepContext) => T | PromiseLike<T>,
    options?: StepOptions<T>,
  ): Promise<T> {
    if (this.#isDropped) return this.#over()
    const key = this.#use(name)
    const how = readOptions(key, work, options)
    this.#open.set(key, undefined)
    try {
      if (this.#undoing !== undefined && (await this.#stays(key, how))) return await never()
      // This `await` lets all steps that begin in the same tick register before the first function is called.
      const before = await this.#find(key)
      // A recorded end of another kind belongs to a wait that had this name in an earlier version of the
      // code. In this case the step runs.
      if (before?.kind === 'result' || before?.kind === 'error') {
        await this.#replay.turnOf(before)
        if (this.#isDropped) return await never()
        if (before.kind === 'error') this.#failures.set(key, '')
        return recorded(key, before, how) as T
      }
      if (this.#undoing !== undefined) return await this.#undoing.stuck()
      if (how.undo !== undefined && !this.#replay.undos.has(key)) await this.#begin(key)
      const begun = before === undefined ? this.#replay.begun(key) : undefined
      let { failed = 0, until = 0 } = begun ?? {}
      for (;;) {
        if (until > 0 && until > this.#now()) await this.#waits.wait(undefined, [], until)
        if (this.#isDropped) return await never()
        const answer = await this.#try(key, work, failed + 1, how)
        if (this.#isDropped) return await never()
        if ('value' in answer) return answer.value
        failed += 1
        if (failed >= how.tries || isNonRetryable(answer.error)) throw await this.#failed(key, answer)
        until = Math.round(this.#now() + pauseAfter(failed, how.backoff))
        this.#recorder.later(writeEntry('try', key, `${failed}|${writeTime(until)}`))
      }
    } finally {
      this.#open.delete(key)
    }
  }

  /**
   * @param open returns the database in which the step runs. The function may return a stub if no row is
   *   recorded there
   */
  async stepIn<Tx, T>(
    open: (mayBeStub: boolean) => StepDatabase<Tx>,
    name: StepName,
    work: (tx: Tx, context: StepContext) => T | PromiseLike<T>,
    options: StepInOptions<T, Tx> | undefined,
  ): Promise<T> {
    const key = stepKey(name)
    const { name: job, isKept } = this.#around
    const inside = stepAround(this.#around)
    if (inside !== undefined) throw commitsInside(job, key, inside)
    const { from } = readOptions(key, work, options as StepOptions<T> | undefined)
    const { undo, ...how } = copied(options) ?? {}
    const database = open(!isKept)
    // A result that comes too late, after a timeout for example, is not committed.
    const inTime = <V, R>(value: V | PromiseLike<V>, { signal }: StepContext, go: (value: V) => R) =>
      next(value, (given) => {
        signal.throwIfAborted()
        return go(given)
      })
    const committed = async (context: StepContext) => {
      const isNew = this.#around.job.runs === 1 && context.attempt === 1
      const text = await database.run(await this.#rowOf(key), isNew, (tx) =>
        inTime(work(tx, context), context, (value) =>
          versioned(resultText(database.isAnswer(value) ? undefined : value, job, key), from),
        ),
      )
      return convert(text, from) as T
    }
    const undone = async (_: unknown, context: StepContext) => {
      const before = this.#replay.found(key)
      const text = before?.kind === 'result' ? before.value : undefined
      await database.undo(await this.#rowOf(key), text, (tx, kept) =>
        inTime(undo!(tx, convert(kept, from) as T, context), context, () => undefined),
      )
    }
    return this.step(name, committed, { ...how, ...(undo && { undo: undone }) })
  }

  /** The row that records a step in a database, or undefined if no row is needed. */
  async #rowOf(key: string): Promise<StepRow | undefined> {
    if (!this.#around.isKept) return undefined
    this.#named ??= this.#nameRows()
    return { job: await this.#named, step: `${key}#${this.#replay.timesAgain(key)}` }
  }

  /**
   * The name of the job in rows. The name is stored in the journal before the first row is written, because a
   * retry by hand changes the fields from which the name is made.
   */
  async #nameRows(): Promise<string> {
    const { job, queue } = this.#around
    const name = this.#replay.rowName ?? `${queue}/${job.id}@${job.queuedAt}`
    if (this.#replay.rowName === undefined) {
      this.#recorder.checkRoom(2)
      await this.#recorder.now(writeEntry('named', '', JSON.stringify(name)), false)
    }
    return name
  }

  sleep(name: StepName, duration: Duration): Promise<void> {
    return Awaited.of(async (attention) => {
      if (this.#isDropped) return this.#over()
      const key = this.#use(name)
      const ms = msOf(duration, `${this.#around.name}: sleep(${stepWords(key)})`)
      await this.#opened(key, () => this.#wait(key, [], ms), attention)
    })
  }

  waitFor<S extends SignalKind<unknown> | Readonly<Record<string, SignalKind<unknown>>>>(
    signals: S,
    options: WaitOptions = {},
  ): Promise<Waited<S> | undefined> {
    return Awaited.of(async (attention) => {
      if (this.#isDropped) return this.#over()
      const { isOne, kinds } = kindsIn(this.#around.name, signals)
      const names = kinds.map(([, kind]) => kind.name)
      const { timeout, name } = given(this.#around.name, 'waitFor()', 'its options', options, 'an object')
      const key = this.#use(name ?? names.join(' or '))
      const ms =
        timeout === undefined
          ? undefined
          : msOf(timeout, `${this.#around.name}: the timeout of waitFor(${stepWords(key)})`)
      const number = await this.#opened(key, () => this.#wait(key, names, ms), attention)
      if (number === undefined) return undefined
      const got = await signalGot(kinds, this.#waits.signals[number], `signal ${number} at ${key}`)
      return (isOne ? { value: got.value } : got) as Waited<S>
    })
  }

  runJob<T>(name: StepName, draft: ChildDraft, options: RunJobOptions<T> = {}): Promise<T> {
    return Awaited.of(async (attention) => {
      if (this.#isDropped) return this.#over()
      const key = this.#use(name)
      const { ms, how } = readRunJob(this.#around.name, key, options as RunJobOptions)
      return this.#opened(key, () => this.#runJob<T>(key, draft, ms, how), attention)
    })
  }

  async #runJob<T>(key: string, draft: ChildDraft, ms: number | undefined, how: How): Promise<T> {
    this.#refuseInside(key)
    if (this.#undoing !== undefined && (await this.#stays(key, how))) return never()
    const before = await this.#find(key)
    // An end of one of these kinds belongs to a step that had this name in an earlier version of the code.
    // Now the name belongs to a child job.
    const wasStep = before?.kind === 'result' || before?.kind === 'error'
    const known = wasStep ? undefined : this.#replay.children.get(key)
    const isOver = known !== undefined && before !== undefined && this.#endsChild(before, known)
    if (!isOver && this.#undoing !== undefined) return this.#undoing!.stuck()
    if (!isOver && how.undo !== undefined && !this.#replay.undos.has(key)) await this.#begin(key)
    const child = isOver ? known : await this.#busily(() => this.#child(key, draft, known))
    if (this.#isDropped) return never()
    const number = await this.#wait(key, [childSignal(child.flow)], ms, child)
    this.#failures.set(key, '+')
    const end = number === undefined ? undefined : readChildEnd(this.#waits.signals[number]!.text)
    return childResult(key, draft.Class.name, child, end) as T
  }

  #endsChild(before: StepEnd, { flow, isOver }: Child & { isOver?: true }): boolean {
    const isEnd = before.kind === 'got' || before.kind === 'over'
    return !isOver && isEnd && endsWait(before, [childSignal(flow)], this.#waits.signals)
  }

  /**
   * Starts a child job, unless an earlier run has started it.
   *
   * @param known the child that earlier runs recorded
   */
  async #child(
    key: string,
    draft: ChildDraft,
    known: (Child & { isOver?: true }) | undefined,
  ): Promise<Child> {
    const now = this.#now()
    const isKnown = known !== undefined && known.isOver === undefined
    const isBegun = isKnown && this.#replay.begun(key) !== undefined
    const hasEnded = isKnown && this.#waits.signals.some(({ name }) => name === childSignal(known.flow))
    if (hasEnded || (isBegun && now < nextLook(known))) return known
    await this.#recorder.decided()
    if (this.#around.reason !== undefined) throw this.#around.reason
    if (this.#around.ready === undefined) throw noChildren(this.#around.name, key)
    const ready = await this.#around.ready(draft, stepWords(key))
    const child = isKnown ? known : await this.#newChild(key, ready, known)
    await ready.begin(child)
    if (isBegun) {
      child.seen = now
      this.#recorder.later(writeEntry('child', key, JSON.stringify(child)))
    }
    return child
  }

  /**
   * Records the place of a child. @param former an earlier child, which is used again if it can still
   * complete
   */
  async #newChild(key: string, ready: ReadyChild, former: Child | undefined): Promise<Child> {
    this.#recorder.checkRoom(4)
    const goesOn = former !== undefined && (await ready.goesOn(former))
    const { flow, home } = goesOn ? former : ready.place
    const child = { flow, home, at: this.#now() }
    await this.#recorder.now(writeEntry('child', key, JSON.stringify(child)), false)
    return child
  }

  async *eachItem<T, C>(
    name: StepName,
    page: (cursor: C | undefined) => ItemsPage<T, C> | Promise<ItemsPage<T, C>>,
    options: EachItemOptions = {},
  ): AsyncGenerator<T, void, undefined> {
    if (this.#isDropped) await this.#over()
    const key = this.#use(name)
    const { exact = false } = readItems(this.#around.name, key, page, options)
    this.#open.set(key, undefined)
    try {
      const before = await this.#find(key)
      if (before !== undefined) {
        await this.#replay.turnOf(before)
        if (this.#isDropped) await never()
        return
      }
      if (this.#undoing !== undefined) await this.#undoing.stuck()
      const kept = this.#replay.items.get(key)
      let { cursor, skip, done }: ItemsPlace = kept === undefined ? { skip: 0, done: 0 } : JSON.parse(kept)
      let stored = done
      const keep = async () => {
        const place = encode({ cursor, skip, done }, `${this.#around.name}: the cursor of ${stepWords(key)}`)
        await this.#busily(() => this.#recorder.now(writeEntry('items', key, place), true))
        stored = done
      }
      do {
        const found = await this.#busily(() =>
          callStep(this.#around, 'page', key, 1, () => page(cursor as C | undefined)),
        )
        if (!Array.isArray(found?.items)) throw noPage(this.#around.name, key, found)
        for (const item of found.items.slice(skip)) {
          if (this.#isDropped) await never()
          yield item as T
          if (this.#around.reason !== undefined) throw this.#around.reason
          skip += 1
          done += 1
          if (exact) await keep()
        }
        cursor = found.cursor
        skip = 0
        if (cursor != null && endsLot(done, stored)) await keep()
      } while (cursor != null)
      const end = writeEntry('result', key, this.#stamps.of(this.#now()))
      await this.#busily(() => this.#recorder.now(end, true))
    } finally {
      this.#open.delete(key)
    }
  }

  /** Calls a function. While the function runs, the run cannot be suspended. */
  async #busily<T>(act: () => T | Promise<T>): Promise<T> {
    this.#busy += 1
    try {
      return await act()
    } finally {
      this.#busy -= 1
      this.#waits.stir()
    }
  }

  approval(name: StepName, options: ApprovalOptions): Promise<{ value: unknown } | undefined> {
    return approval(this, this.#around.name, name, options)
  }

  /** Records a token of an approval. @returns the index of the entry */
  async keepToken(key: string, { hash, title }: NewToken): Promise<TokenPlace> {
    const { tokens } = this.#replay
    const first = tokens.get(key) ?? hash
    tokens.set(key, first)
    const kept: KeptToken = { hash, first, heard: this.#waits.signals.length, ...defined({ title }) }
    const place = this.#recorder.next
    await this.#recorder.now(writeEntry('token', key, JSON.stringify(kept)), false)
    return { queue: this.#around.queue ?? '', id: this.#around.job.id, place }
  }

  /** Whether steps must be undone before the job ends as failed or cancelled. */
  get hasUndos(): boolean {
    return this.#recorder.hasUndos || this.#around.job.journal?.undo === ''
  }

  /**
   * Called in a run that undoes steps, when the handler comes to a step.
   *
   * @returns whether the handler must stop at this step. The code after the last step, such as an endless
   *   loop, must not prevent the undos
   */
  async #stays(key: string, how: How): Promise<boolean> {
    await this.#replay.whole()
    const owed = [...this.#replay.undos.keys()]
    return this.#undoing!.came(key, how.undo && { work: how.undo, how }, owed)
  }

  /**
   * Undoes the steps of earlier runs, in reverse order. If one step cannot be undone, the other steps are
   * still undone.
   *
   * @param handled the promise of the handler, which runs again only so that this class gets the undo
   * functions of its steps
   * @throws the error of the handler, if it throws before all undos are known; the reason of the run, if the
   *   run is over
   */
  async undo(handled: Promise<unknown>): Promise<UndoneSteps> {
    await this.#replay.whole()
    const { undos } = this.#replay
    await this.#undoing!.gathered(handled, [...undos.keys()])
    this.#drop()
    return undoSteps({
      ...{ around: this.#around, replay: this.#replay, recorder: this.#recorder },
      ...{ found: this.#undoing!.found, signals: this.#waits.signals, now: () => this.#now() },
    })
  }

  /** The entries to send to the store now, and whether to ask for signals. */
  take(): { steps?: Recorded; heard?: number } {
    const taken: { steps?: Recorded; heard?: number } = {}
    const steps = this.#recorder.take()
    if (steps !== undefined) taken.steps = steps
    if (this.#asks || this.#waits.hears) taken.heard = this.#waits.signals.length
    this.#asks = false
    return taken
  }

  /**
   * Handles the answer of the store.
   *
   * @param lost the error, if this run no longer holds the job
   * @param known how many entries the store has, if it has lost entries that it had confirmed
   */
  answered(signals: readonly KeptSignal[], lost?: JobsError, known?: number): void {
    if (known === undefined) this.#recorder.answered(lost)
    else if (!this.#recorder.resend(known)) this.#recorder.answered(shortened())
    this.#waits.heard(signals)
    this.#waits.stir()
  }

  /** Notes that a signal has come. If no wait is open, the next call to the store asks for the signal. */
  signalled(): void {
    this.#asks = true
    if (this.#waits.hears) this.#around.send()
  }

  unanswered(): void {
    this.#recorder.unanswered()
    this.#asks = true
  }

  /**
   * The error for a handler that has returned before its steps have ended, or undefined if all steps have
   * ended. An open wait that the handler awaited does not count, because such a wait has lost a race.
   */
  get notAwaited(): JobsError | undefined {
    return notAwaited(this.#around.name, this.#open)
  }

  /** Handles the abort of the run. */
  abort(reason: unknown): void {
    this.#waits.fail(reason)
    if (JobsError.is(reason, 'LEASE_LOST')) failCalls(this.#around, reason)
  }

  /**
   * Handles the end of the handler, and returns the entries for the outcome. If the handler failed with the
   * error of a step, that step is forgotten: when the job runs again, the step is tried again.
   *
   * @param thrown the error of the handler
   */
  end(thrown: unknown): Recorded | undefined {
    for (const key of stepsIn(thrown)) {
      const how = this.#failures.get(key)
      if (how !== undefined) this.#recorder.later(writeEntry('forgotten', key, how))
    }
    this.#hasEnded = !this.#isDropped
    this.#drop()
    return this.#recorder.rest()
  }

  #now(): number {
    return this.#around.times?.now?.() ?? this.#around.now()
  }

  #use(name: StepName): string {
    const key = stepKey(name)
    if (this.#used.has(key)) throw usedTwice(this.#around.name, key)
    if (this.#around.reason !== undefined) throw this.#around.reason
    this.#used.add(key)
    return key
  }

  /** Calls a function, and notes that a step or wait is open until the function has ended. */
  async #opened<T>(key: string, act: () => Promise<T>, attention?: Attention): Promise<T> {
    this.#open.set(key, attention)
    try {
      return await act()
    } finally {
      this.#open.delete(key)
    }
  }

  /** Finds the recorded end of a step or wait. Returns a promise if the journal must be read first. */
  #find(key: string): StepEnd | undefined | Promise<StepEnd | undefined> {
    return this.#replay.isWhole ? this.#replay.found(key) : this.#busily(() => this.#replay.find(key))
  }

  async #try<T>(
    key: string,
    work: (context: StepContext) => T | PromiseLike<T>,
    attempt: number,
    how: How,
  ): Promise<{ value: T } | { error: unknown; took: number }> {
    this.#busy += 1
    this.#waits.stir()
    let began = performance.now()
    try {
      const decided = this.#recorder.decided()
      if (decided !== undefined) await decided
      if (this.#around.reason !== undefined) throw this.#around.reason
      const context = { key: `${this.#around.job.id}/${key}`, attempt }
      this.#recorder.checkRoom(1)
      // If a run of the job has crashed before, the start of each step is recorded, so that people see at
      // which step the workers die. Otherwise this write is saved.
      const { crashes, runs } = this.#around.job
      if (crashes > 0) await this.#recorder.now(writeEntry('started', key, runs), false)
      began = performance.now()
      const given = callStep(this.#around, 'step', key, attempt, () =>
        inTime(work, context, how, this.#around.signal),
      )
      const value = given instanceof Promise ? await given : given
      const stamp = this.#stamps.of(this.#now(), performance.now() - began)
      const text = resultText(value, this.#around.name, key)
      await this.#recorder.now(writeEntry('result', key, stamp + versioned(text, how.from)), true)
      return { value }
    } catch (error) {
      // If the run is over, the error is not a failure of the step.
      if (this.#around.reason !== undefined) throw error
      return { error, took: performance.now() - began }
    } finally {
      this.#busy -= 1
      this.#waits.stir()
    }
  }

  /** Records that a step that can be undone has begun. */
  async #begin(key: string): Promise<void> {
    this.#recorder.hasUndos = true
    await this.#busily(() => this.#recorder.now(writeEntry('begun', key), false))
  }

  async #failed(key: string, { error, took }: { error: unknown; took: number }): Promise<StepError> {
    const { run: _, took: __, ...fields } = jobError(error, 0, 0)
    const kept = { ...fields, ...(isNonRetryable(error) && { isFinal: true as const }) }
    this.#failures.set(key, '')
    const text = this.#stamps.of(this.#now(), took) + JSON.stringify(kept)
    await this.#recorder.ended(writeEntry('error', key, text), true)
    return new StepError(key, kept)
  }

  #refuseInside(key: string): void {
    const inside = stepAround(this.#around)
    if (inside !== undefined) throw waitsInside(this.#around.name, key, inside)
  }

  /** @param child the job for whose end the run waits */
  async #wait(
    key: string,
    names: readonly string[],
    ms: number | undefined,
    child?: Child,
  ): Promise<number | undefined> {
    this.#refuseInside(key)
    // The journal may contain a wait with this name for another child.
    const isKnown = child === undefined || child === this.#replay.children.get(key)
    const before = isKnown ? await this.#find(key) : undefined
    if (this.#isDropped) return never()
    if (before !== undefined && endsWait(before, names, this.#waits.signals)) {
      await this.#replay.turnOf(before)
      if (this.#isDropped) return never()
      return before.kind === 'got' ? Number(before.value) : undefined
    }
    if (this.#undoing !== undefined) return this.#undoing.stuck()
    const begun = isKnown && before === undefined ? this.#replay.begun(key) : undefined
    const until = begun ? begun.until : ms === undefined ? undefined : Math.round(this.#now() + ms)
    if (begun === undefined) {
      this.#recorder.checkRoom(2)
      const entry = writeEntry('wait', key, until === undefined ? '' : writeTime(until))
      // The answer of the store contains the signals that have come, so even a very short wait must not end
      // before that answer.
      this.#asks ||= names.length > 0
      // After a crash, a run that comes to a new wait has made progress.
      if (this.#around.job.crashes > 0 || (names.length > 0 && this.#waits.isShort(ms)))
        await this.#busily(() => this.#recorder.now(entry, true))
      else this.#recorder.later(entry)
    }
    const over = this.#waits.wait(key, names, until, child && nextLook(child))
    if (this.#asks) this.#around.send()
    const number = await over
    return this.#isDropped ? never() : number
  }

  #suspend(waits: string[], until: number | undefined, awaits?: string[]): void {
    this.#drop()
    const { spent, job } = this.#around
    if (spent !== undefined) this.#recorder.later(writeEntry('spent', '', `${job.runs}|${spent}`))
    const ms = until === undefined ? FOREVER : Math.max(0, Math.ceil(until - this.#now()))
    this.#around.suspend!({ in: ms, waits, heard: this.#waits.signals.length, ...defined({ awaits }) })
  }

  /**
   * Stops code that uses a step after the run is over. If the run was suspended, this method never resolves.
   * If the handler has ended, this method throws an error.
   */
  #over(): Promise<never> {
    return this.#hasEnded ? Promise.reject(hasEnded(this.#around.name)) : never()
  }

  #drop(): void {
    this.#isDropped = true
    this.#waits.drop()
    this.#replay.drop()
  }
}
