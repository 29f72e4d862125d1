/**
 * `jobs:flow`, `jobs:flows`, and the output of other commands about flows, on both stores. Some names contain
 * escape sequences, which must not reach the terminal.
 */

import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, MemoryConsole, run } from '@s18i/lark'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { FlowDraft } from '../../src/api/flows/flow-draft.ts'
import type { FlowHandle } from '../../src/api/flows/flow-handle.ts'
import { JobsCancelCommand } from '../../src/commands/change/jobs-cancel.ts'
import { JobsPurgeCommand } from '../../src/commands/change/jobs-purge.ts'
import { JobsRetryCommand } from '../../src/commands/change/jobs-retry.ts'
import { JobsFlowCommand } from '../../src/commands/flows/jobs-flow.ts'
import { JobsFlowsCommand } from '../../src/commands/flows/jobs-flows.ts'
import { JobsShowCommand } from '../../src/commands/look/jobs-show.ts'
import { batch, chain, defineSignal, Job, type Jobs, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { FlowOperations } from '../../src/operate/flow-operations.ts'
import { type Operate, operate } from '../../src/operate.ts'
import { Bench, redisPrefix, signal, sqliteFile } from '../working/bench.ts'

const commands: (new () => Command)[] = [
  JobsCancelCommand,
  JobsFlowCommand,
  JobsFlowsCommand,
  JobsPurgeCommand,
  JobsRetryCommand,
  JobsShowCommand,
]
const evil = 'the bank\u001b[2J is closed'

class StepJob extends Job {
  override readonly key = 'step'
  override tries = 1
  handle({ step, error }: { step: number; error?: string }) {
    if (error !== undefined && !mended) throw new Error(error)
    return { step }
  }
}

/** A job that runs until it is told to end. */
class WaitJob extends Job {
  override readonly key = 'wait'
  override queueName = 'low'
  handle() {
    return new Promise<void>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason))
    })
  }
}

/** A job that waits for a signal. */
class AskJob extends Job {
  override readonly key = 'ask'
  async handle({ timeout }: { timeout?: string }) {
    await this.waitFor(defineSignal('approved'), timeout === undefined ? {} : { timeout })
  }
}

/** If true, the failing steps complete. */
let mended = false

const step = (number: number, error?: string) =>
  new StepJob().with({ step: number, ...(error !== undefined && { error }) })
const wait = () => new WaitJob().with()
const ask = (timeout?: string) => new AskJob().with(timeout === undefined ? {} : { timeout })

/** Waits until a check passes. */
const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 10_000 })

describe.each([
  ['sqlite', () => sqliteFile()],
  ['redis', () => redisPrefix(inject('redisUrl'))()],
] as const)('%s', (_name, connect) => {
  /** Each command closes the instance that it has used, so the test has its own instance. */
  let jobs: Jobs
  let flows: Operate['flows']
  let bench: Bench
  let folder: string

  beforeEach(async () => {
    mended = false
    folder = await mkdtemp(join(tmpdir(), 'lark-flows-'))
    const { remove, ...place } = await connect()
    const config = { jobs: { ...place, queues: ['default', 'emails', 'low'] } }
    writeFileSync(join(folder, 'lark.config.mjs'), `export default ${JSON.stringify(config)}`)
    vi.stubEnv('LARK_CONFIG', join(folder, 'lark.config.mjs'))
    bench = await Bench.make(async () => ({ ...place, remove }))
    jobs = bench.jobs
    flows = operate(jobs).flows
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    // The signal of running jobs is aborted, so that they end.
    await jobs.cancel({ all: true })
    await bench[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const lark = (...words: string[]) => asked([], ...words)

  /**
   * @param answers the answers to the questions of the command; without them, the command runs as if nobody
   * could answer
   */
  async function asked(answers: string[], ...words: string[]) {
    const console = new MemoryConsole(answers.length === 0 ? {} : { answers })
    const code = await run(words, { commands, console })
    const said = console.stdout + console.stderr
    expect(said).not.toContain('\u001b[2J')
    return { code, said, json: () => JSON.parse(console.stdout) }
  }

  async function dispatch(draft: FlowDraft): Promise<string> {
    return ((await insideOf(jobs).dispatchFlow(draft)) as FlowHandle).id
  }

  const is = (id: string, state: string) =>
    eventually(async () => expect((await flows.get(id))!.state).toBe(state))

  /** Returns the output without the parts that differ from run to run. */
  const steady = (said: string, ...ids: string[]) =>
    ids
      .reduce((text, id, i) => text.replaceAll(id, `ID${i}`), said)
      .replace(/ID\d\.default:9/g, 'ID.default:9')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'TIME')
      .replace(/[\d.]+ (ms|s|min|h)\b( \d+ (s|min)\b)?/g, 'SPAN')
      .replace(/ {2,}/g, '  ')

  test('in a store without flows, the commands say that there is no flow with the id', async () => {
    expect(await lark('jobs:flows')).toMatchObject({ code: 0, said: '✓ No flows\n' })
    expect((await lark('jobs:flows', '--json')).json()).toEqual({ flows: [], damaged: [] })
    expect((await lark('jobs:flows', '--state=failed')).said).toBe('✓ No such flows: see lark jobs:flows\n')
    expect(await lark('jobs:flows', '--state=asleep')).toMatchObject({ code: 2 })
    expect((await lark('jobs:flows', '--queue=lwo')).said).toContain('Did you mean low?')
    const { said } = await lark('jobs:flows', '--since=yesterday')
    expect(said).toMatch(/^✗ --since is 'yesterday'; it must be a Date, or milliseconds/)
    expect(await lark('jobs:flow', 'order-77')).toEqual({
      code: 1,
      said: "✗ There is no flow 'order-77'\n  Flows that have ended are kept for a while only: see lark jobs:flows\n",
      json: expect.any(Function),
    })
    const id = await dispatch(
      chain([step(1)])
        .name('nightly')
        .withId('order-77'),
    )
    expect((await lark('jobs:flow', 'order-78')).said).toContain('Did you mean order-77?')
    expect((await lark('jobs:flow', 'nightly')).said).toContain('The last flow with this name is order-77')
    const { nodes } = (await flows.get(id))!
    expect((await lark('jobs:flow', nodes![0]!.jobId!)).said).toContain('the id of a job. Its flow: order-77')
    for (const command of ['show', 'cancel', 'retry'])
      expect((await lark(`jobs:${command}`, id)).said).toMatch(
        /^✗ There is no job order-77\n {2}There is a flow with this id: lark jobs:.+ order-77\n$/,
      )
  })

  test('a workflow is shown as a tree with its inner flows, and with the nodes that each node waits for', async () => {
    const id = await dispatch(
      workflow('order', (w) => {
        const charge = w.add(step(1), { name: 'charge' })
        const invoice = w.add(step(2), { name: 'invoice', after: charge })
        const label = w.add(step(3), { name: 'label', after: charge })
        const print = w.add(wait(), { name: 'print', after: label })
        const ship = w.add(chain([step(4), wait(), step(5)]), { name: 'ship', after: [charge, label] })
        w.add(step(6), { name: 'send', after: [invoice, print, ship], ifFailed: 'run' })
      })
        .onFailed(step(7))
        .tagged('vip')
        .within('2h'),
    )
    const before = await lark('jobs:flow', id)
    expect(before.said).toMatch(/^● charge +queued for /m)
    expect(before.said).toContain(
      '! No worker is running, so it does not go on: start one with lark jobs:work',
    )
    await bench.work([StepJob, WaitJob])
    await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(2))
    const ship = (await flows.get(id))!.nodes!.find(({ name }) => name === 'ship')!.flow!.id
    await eventually(async () => expect((await flows.get(ship))!.counts.completed).toBe(1))
    const { code, said } = await lark('jobs:flow', id)
    expect(code).toBe(0)
    expect(steady(said, id, ship)).toBe(`order ID0

State  open: waits for print, ship
Done  ━━━━━───── 3/6
Kind  workflow
Queue  default
Tags  vip
Dispatched TIME (SPAN ago)
Deadline  TIME (in SPAN)

NODE  STATE  JOB OR FLOW  REMARK
✓ charge  completed SPAN ago  ID.default:90000000
├─ ✓ invoice  completed SPAN ago  ID.default:90000001
├─ ✓ label  completed SPAN ago  ID.default:90000002
│  ├─ ● print  runs for SPAN  ID.default:90000003  queue low
│  └─ ● ship  ━━━─────── 1/3  ID1  waits for WaitJob
│  ✓ StepJob  completed SPAN ago  ID.default:90000000
│  ● WaitJob  runs for SPAN  ID.default:90000001  queue low
│  ○ StepJob 2  blocked  waits for WaitJob
○ send  blocked  waits for print, ship; runs in any case
○ StepJob  blocked  when the flow has failed
`)
    const json = (await lark('jobs:flow', id, '--json')).json()
    expect(json).toMatchObject({ id, state: 'open', nodes: expect.any(Array) })
    expect(json.nodes[4]).toMatchObject({ name: 'ship', kind: 'chain', flow: { id: ship } })
    const shown = await lark('jobs:flow', ship)
    expect(shown.said).toContain(`Part of    ${id}`)
  })

  test('a workflow is printed as a Mermaid diagram', async () => {
    const id = await dispatch(
      workflow('order', (w) => {
        const charge = w.add(step(1), { name: 'charge "#1"' })
        w.add(step(2), { name: 'pack', after: charge })
        w.add(batch([step(1), step(2)]), { name: 'mails' })
      }).onEnded(step(3)),
    )
    const { code, said } = await lark('jobs:flow', id, '--mermaid')
    expect(code).toBe(0)
    expect(said.split('  classDef ')[0]).toBe(`flowchart TD
  n0["charge #quot;#35;1#quot;"]:::started
  n1["pack"]:::other
  subgraph n2["mails"]
    n2_members[["────────── 0/2"]]
  end
  n3["StepJob"]:::other
  n0 --> n1
  nend((end))
  n1 --> nend
  n2 --> nend
  nend -. ended .-> n3
`)
    expect(await lark('jobs:flow', id, '--mermaid', '--json')).toMatchObject({ code: 2 })
  })

  test('a failed chain is shown with the reason of the failure, and with the command that retries the chain', async () => {
    const id = await dispatch(chain([step(1), step(2, evil), step(3)]).onCompleted(step(4)))
    await bench.work([StepJob])
    await is(id, 'failed')
    const { said } = await lark('jobs:flow', id)
    expect(steady(said, id)).toBe(`chain ID0

State  failed
Done  ━━━━━━━━━━ 3/3, 1 failed, 1 skipped
Kind  chain
Queue  default
Dispatched TIME (SPAN ago)
Ended  TIME (SPAN ago), after SPAN

NODE  STATE  JOB OR FLOW  REMARK
✓ StepJob  completed SPAN ago  ID.default:90000000
✗ StepJob 2  failed SPAN ago  ID.default:90000001  the bank\\x1b[2J is closed
– StepJob 3  skipped  because of StepJob 2
– StepJob 4  not needed  when the flow has completed
! It failed: StepJob 2 did not complete: the bank\\x1b[2J is closed
i Look closer: lark jobs:show ID.default:90000001
i Start again what did not complete: lark jobs:retry --flow ID0
`)
    expect((await lark('jobs:retry', '--flow', id, '--dry-run')).said).toBe(
      `✓ Would start 2 of 3 in chain ${id} again\n`,
    )
    mended = true
    expect(await lark('jobs:retry', '--flow', id)).toMatchObject({
      code: 0,
      said: `✓ Started 2 of 3 in chain ${id} again\n`,
    })
    await is(id, 'completed')
    expect((await lark('jobs:flow', id)).said).toMatch(/^✓ StepJob 2 +completed .+ ago, retry 1 /m)
    expect(await lark('jobs:retry', '--flow', id)).toMatchObject({
      code: 1,
      said: `i Nothing to start again: chain ${id} has completed\n`,
    })
    expect((await lark('jobs:retry', '--flow', id, '--json')).json()).toEqual({ flow: id, retried: 0 })
    expect(await lark('jobs:retry', '--flow', id, '--all')).toMatchObject({ code: 2 })
  })

  test('a flow that failed at its deadline is retried only with a new deadline', async () => {
    const id = await dispatch(chain([wait().delayed('1h')]).within(1))
    await bench.work([StepJob])
    await is(id, 'failed')
    const again = `lark jobs:retry --flow ${id} --within=2h`
    expect((await lark('jobs:flow', id)).said).toContain(`Start again what did not complete: ${again}\n`)
    const late = await lark('jobs:retry', '--flow', id)
    expect(late).toMatchObject({ code: 1, said: expect.stringContaining(again) })
    expect(await lark('jobs:retry', '--flow', id, '--within=soon')).toMatchObject({
      code: 2,
      said: expect.stringContaining("--within is 'soon'"),
    })
    expect(await lark('jobs:retry', '--all', '--within=2h')).toMatchObject({ code: 2 })
    expect((await lark('jobs:retry', '--flow', id, '--within=2h')).code).toBe(0)
    await is(id, 'open')
  })

  test('a batch is shown in one line, with the members that did not complete', async () => {
    const members = Array.from({ length: 30 }, (_, i) => step(i, i % 10 === 3 ? evil : undefined))
    const id = await dispatch(batch(members).name('import').allowFailures(2))
    await bench.work([StepJob])
    await is(id, 'failed')
    const { said } = await lark('jobs:flow', id)
    expect(steady(said, id)).toContain(`
State  failed
Done  ━━━━━━━━━━ 30/30, 3 failed
`)
    expect(said).toContain('! It failed: 3 members did not complete, and 2 may\n')
    expect(said).toContain(`i Look closer: lark jobs:flow ${id} --failures\n`)
    const some = await lark('jobs:flow', id, '--failures', '--limit=1')
    expect(some.said).toMatch(/^ +3 {2}\S+:00000003 {2}failed {2}the bank\\x1b\[2J is closed$/m)
    expect(some.said).toContain(`i All of them: lark jobs:flow ${id} --failures --limit=3\n`)
    const json = (await lark('jobs:flow', id, '--failures', '--json')).json()
    expect(json.failures.map(({ member }: { member: number }) => member)).toEqual([3, 13, 23])
    const shown = await lark('jobs:show', json.failures[0].jobId)
    expect(shown.said).toContain(`Flow      batch import (${id}), member 3\n`)
  })

  test('the list of flows shows the progress of each flow, and what the flow waits for', async () => {
    const failed = await dispatch(chain([step(1, 'no'), step(2)]).name('nightly'))
    const waits = await dispatch(
      chain([wait(), step(1)])
        .name('order')
        .tagged('vip'),
    )
    const fills = await dispatch(batch([wait(), wait()]))
    await bench.work([StepJob, WaitJob], { queues: ['default'] })
    await is(failed, 'failed')
    const { code, said } = await lark('jobs:flows')
    expect(code).toBe(0)
    expect(said).toMatch(/^ID +KIND +NAME +STATE +DONE +DISPATCHED +REMARK\n/)
    const lines = steady(said, failed, waits, fills).split('\n')
    expect(lines).toContain(
      'ID0  chain  nightly  failed  ━━━━━━━━━━ 2/2, 1 failed, 1 skipped  SPAN ago  StepJob did not complete',
    )
    expect(lines).toContain('ID1  chain  order  open  ────────── 0/2  SPAN ago  waits for WaitJob')
    expect(lines).toContain('ID2  batch  open  ────────── 0/2  SPAN ago  waits for 2 members')
    expect(lines.at(-2)).toBe('i Look closer: lark jobs:flow ID')
    const ids = async (...words: string[]) =>
      (await lark('jobs:flows', '--json', ...words)).json().flows.map(({ id }: { id: string }) => id)
    expect(await ids('--state=failed')).toEqual([failed])
    expect(await ids('--tag=vip')).toEqual([waits])
    expect(await ids('--kind=batch')).toEqual([fills])
    expect(await ids('--queue=low', '--name=order')).toEqual([waits])
    expect((await lark('jobs:flows', '--limit=3')).said).not.toContain('--cursor')
    const [, cursor] = /i There may be more: (--cursor=\S+)\n/.exec(
      (await lark('jobs:flows', '--limit=2')).said,
    )!
    expect(await ids(cursor!)).toEqual([failed])
    expect((await lark('jobs:flows', '--state=open', cursor!)).said).toContain('--cursor is')
  })

  test('a suspended node says what it waits for, and when it is due if it has a timeout', async () => {
    const chained = await dispatch(chain([ask(), step(1)]))
    await bench.work([AskJob])
    const show = async (flow: string) => (await lark('jobs:flow', flow)).said
    await eventually(async () => expect(await show(chained)).toContain('suspended until approved'))
    expect(await show(chained)).not.toContain('due in')
    const timed = await dispatch(chain([ask('3d'), step(1)]))
    await eventually(async () =>
      expect(await show(timed)).toMatch(/suspended until approved, due in (3 d|2 d 23 h)/),
    )
  })

  test('jobs:show of a node names its flow', async () => {
    const id = await dispatch(workflow('order', (w) => void w.add(step(1), { name: 'charge' })))
    const { jobId } = (await flows.get(id))!.nodes![0]!
    expect((await lark('jobs:show', jobId!)).said).toContain(
      `Flow      workflow order (${id}), node charge\n`,
    )
    const json = (await lark('jobs:show', jobId!, '--json')).json()
    expect(json.flow).toMatchObject({ id, kind: 'workflow', name: 'order', node: 'charge', state: 'open' })
  })

  test('a command that cancels a large flow shows how many jobs have ended', async () => {
    const id = await dispatch(batch(Array.from({ length: 20 }, (_, n) => step(n))))
    const console = new MemoryConsole({ isTTY: true })
    const cancel = FlowOperations.prototype.cancel
    vi.spyOn(FlowOperations.prototype, 'cancel').mockImplementationOnce(async function (
      this: FlowOperations,
      ...all
    ) {
      const isDone = await cancel.apply(this, all)
      await eventually(async () => expect(console.stderr + console.stdout).toContain('20/20 have ended'))
      return isDone
    })
    expect(await run(['jobs:cancel', '--flow', id, '--yes'], { commands, console })).toBe(0)
    expect(console.stdout + console.stderr).toMatch(/20\/20 have ended.*Cancelled batch/s)
  })

  test('--json has the inner flows with their nodes', async () => {
    const id = await dispatch(
      workflow('outer', (w) => void w.add(chain([chain([step(1)]), step(2)]), { name: 'inner' })),
    )
    const { nodes } = (await lark('jobs:flow', id, '--json')).json()
    expect(nodes[0].flow).toMatchObject({
      kind: 'chain',
      home: 'default',
      parent: { id },
      counts: { total: 2 },
    })
    expect(nodes[0].flow.nodes[0].flow).toMatchObject({
      kind: 'chain',
      nodes: [{ name: 'StepJob', key: 'step' }],
    })
  })

  test('flow:cancel asks first, names the running jobs, and changes nothing the second time', async () => {
    const id = await dispatch(chain([wait(), step(1), step(2)]).name('order'))
    await bench.work([StepJob, WaitJob])
    await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(1))
    const cancel = ['jobs:cancel', '--flow', id]
    expect(await lark(...cancel)).toMatchObject({
      code: 2,
      said: expect.stringContaining('--yes cancels it'),
    })
    expect(await lark(...cancel, '--all')).toMatchObject({ code: 2 })
    const what = `chain order (${id})`
    const dry = await lark(...cancel, '--dry-run')
    expect(dry).toMatchObject({ code: 0, said: `✓ Would cancel ${what}: 3 of 3 have not ended\n` })
    expect((await lark(...cancel, '--dry-run', '--json')).json()).toEqual({
      ...{ flow: id, state: 'open', cancelled: false, dryRun: true },
    })
    expect(await asked(['n'], ...cancel)).toMatchObject({
      code: 1,
      said: `? Cancel ${what}: 3 of 3 have not ended? [y/N] \ni Nothing was cancelled\n`,
    })
    const done = await lark(...cancel, '--yes', `--because=${evil}`)
    expect(done.code).toBe(0)
    expect(done.said).toMatch(/^✓ Cancelled chain order \(\S+\)\n/)
    await is(id, 'cancelled')
    expect((await lark('jobs:flow', id)).said).toContain(
      '! It was cancelled: somebody cancelled it (the bank\\x1b[2J is closed)\n',
    )
    expect(await lark(...cancel, '--yes')).toMatchObject({
      code: 0,
      said: `i Nothing to cancel: ${what} is cancelled\n`,
    })
    const other = await dispatch(chain([step(1)]))
    await is(other, 'completed')
    const over = await lark('jobs:cancel', '--flow', other, '--yes', '--json')
    expect([over.code, over.json()]).toEqual([1, { flow: other, state: 'completed', cancelled: false }])
  })

  test('a cancel says how many jobs still run, if any do', async () => {
    const idle = await dispatch(chain([step(1)]))
    const cancel = (id: string) => lark('jobs:cancel', '--flow', id, '--yes')
    expect((await cancel(idle)).said).toBe(`✓ Cancelled chain ${idle}\n`)
    const go = signal()
    vi.spyOn(WaitJob.prototype, 'handle').mockImplementation(() => go.promise)
    const busy = await dispatch(chain([wait()]))
    await bench.work([WaitJob])
    await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(1))
    const { said } = await cancel(busy)
    go.resolve()
    expect(said).toBe(
      `✓ Cancelled chain ${busy}\ni 1 job may still run: each was told to end, and ends when its handler does or its worker stops\n`,
    )
  })

  test('flow:purge asks first, and keeps only the running jobs', async () => {
    const id = await dispatch(chain([wait(), step(1), step(2)]).name('order'))
    await bench.work([StepJob, WaitJob])
    await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(1))
    const purge = ['jobs:purge', '--flow', id]
    expect(await lark(...purge)).toMatchObject({ code: 2, said: expect.stringContaining('--yes purges it') })
    for (const other of ['--all', '--job=step', 'an-id'])
      expect(await lark(...purge, other, '--yes')).toMatchObject({ code: 2 })
    const what = `chain order (${id}): 2 jobs`
    expect(await lark(...purge, '--dry-run')).toMatchObject({ code: 0, said: `✓ Would purge ${what}\n` })
    expect((await lark(...purge, '--dry-run', '--json')).json()).toEqual({
      ...{ flow: id, removed: 2, running: 1, dryRun: true },
    })
    expect(await asked(['n'], ...purge)).toMatchObject({
      code: 1,
      said: `? Purge ${what}? [y/N] \ni Nothing was purged\n`,
    })
    const first = await lark(...purge, '--yes')
    expect(first).toMatchObject({ code: 1, said: expect.stringContaining(`✓ Purged ${what}\n`) })
    expect(first.said).toContain('i 1 job of it still runs: purge the flow again when it has ended\n')
    await jobs.cancel({ state: 'active' })
    await is(id, 'cancelled')
    expect(await lark(...purge, '--yes')).toMatchObject({
      code: 0,
      said: `✓ Purged chain order (${id}): 1 job\ni Nothing was written to a file: this cannot be undone\n`,
    })
    expect(await lark(...purge, '--yes')).toMatchObject({ code: 1, said: expect.stringContaining('no flow') })
    const { entries } = await operate(jobs).audit({ what: 'purge-flow' })
    expect(entries.map(({ on, count, from }) => [on, count, from])).toEqual([
      [`flow ${id}`, 1, 'command'],
      [`flow ${id}`, 2, 'command'],
    ])
  })

  test('of a flow with many nodes, the output has the important nodes and the number of the other nodes', async () => {
    const id = await dispatch(
      workflow('large', (w) => {
        for (let i = 0; i < 300; i++)
          w.add(i < 290 ? wait() : step(i, i === 295 ? 'no' : undefined), { name: `n${i}` })
      }),
    )
    await bench.work([StepJob])
    await eventually(async () => expect((await flows.get(id))!.counts.failed).toBe(1))
    const { said } = await lark('jobs:flow', id)
    expect(said).toContain('State      open: waits for n0, n1, n2, n3 and 286 more\n')
    expect(said.match(/^[✓✗●] n/gm)).toHaveLength(200)
    expect(said).toMatch(/^✗ n295 +failed/m)
    expect(said).toMatch(/^● n0 .+ queue low; put back: the worker has no class with this key$/m)
    expect(said).toContain(`… 100 more: lark jobs:flow ${id} --json prints all\n`)
  })
  test('of a flow with many inner flows, the output shows nodes for as many inner flows as fit', async () => {
    const id = await dispatch(
      workflow('large', (w) => {
        for (let i = 0; i < 70; i++) w.add(chain([wait(), step(1), step(2)]), { name: `n${i}` })
      }),
    )
    const { said } = await lark('jobs:flow', id)
    const count = (form: RegExp) => said.match(form)?.length
    expect(count(/● n\d+ +─{10} 0\/3 /g)).toBe(70)
    // Each inner flow has four rows, and 200 rows fit.
    expect(count(/● WaitJob /g)).toBe(50)
    expect(said).toContain(`… 60 more: lark jobs:flow ${id} --json prints all\n`)
  })
})
