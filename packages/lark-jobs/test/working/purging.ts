/** Tests purges of jobs of flows, also of jobs that were never queued. */

import { expect, test, vi } from 'vitest'
import type { FlowDraft } from '../../src/api/flows/flow-draft.ts'
import type { FlowHandle } from '../../src/api/flows/flow-handle.ts'
import { batch, chain, cron, group, Job, type Jobs, keep, unique, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { memberId } from '../../src/model/effect.ts'
import { indexOf } from '../../src/model/flow.ts'
import { type FlowInfo, operate } from '../../src/operate.ts'
import { Bench, type Connect, signal } from './bench.ts'

const ADA = 'ada-7f3c91'
const gone = { all: true } as const

/** Lists the jobs that ran, in order. */
let did: string[] = []

class CareJob extends Job {
  override readonly key: string = 'care'
  override tries = 1
  handle({ step, who }: Payload): unknown {
    did.push(step)
    if (step === 'fails') throw new Error(`no address of ${who}`)
    this.info(`about ${who}`)
    return { who: `${who}!` }
  }
}
interface Payload {
  step: string
  who: string
}
/** This job fails at first, and then waits for long. */
class AgainJob extends CareJob {
  override readonly key = 'again'
  override tries = 2
  override backoff = 3_600_000
  override handle({ step, who }: Payload): unknown {
    did.push(step)
    throw new Error(`again, ${who}`)
  }
}
/** A worker must tell the class that this job has ended. */
class ToldJob extends CareJob {
  override readonly key = 'told'
  override cancelled() {}
}
class OnceJob extends CareJob {
  override readonly key = 'once'
  override unique = unique(({ who }: Payload) => who, { until: 'done', throttle: '1h' })
}
class UnkeptJob extends CareJob {
  override readonly key = 'unkept'
  override keep = keep({ completed: false, failed: '1h' })
}
class StrictJob extends CareJob {
  override readonly key = 'strict'
  override group = group(({ who }: Payload) => `of ${who}`, { strict: true })
}
/** The latest payload replaces that of the waiting job. */
class LatestJob extends CareJob {
  override readonly key = 'latest'
  override unique = unique(({ step }: Payload) => step, { replace: true, debounce: '1h' })
}
class LowJob extends CareJob {
  override readonly key = 'low'
  override queueName = 'low'
}
class OtherJob extends Job {
  override readonly key = 'other'
  handle({ step, result }: { step: string; result?: unknown }) {
    did.push(step)
    return { of: step, ...(result !== undefined && { result }) }
  }
}
const classes = [CareJob, AgainJob, ToldJob, OnceJob, UnkeptJob, StrictJob, LatestJob, LowJob, OtherJob]

const care = (step: string, who = ADA) => new CareJob().with({ step, who })
const other = (step: string) => new OtherJob().with({ step })

function nodeId({ id, home }: Pick<FlowInfo, 'id' | 'home'>, node: number): string {
  return memberId({ flow: id, home, index: indexOf(node, 0) })
}

async function dispatch(jobs: Jobs, draft: FlowDraft): Promise<FlowInfo> {
  const handle = (await jobs.dispatch(draft)) as FlowHandle
  return (await handle.status())!
}

/** Returns the state of each node of a flow, and the reason. */
async function statesOf(jobs: Jobs, id: string): Promise<string[]> {
  const { state, nodes } = (await operate(jobs).flows.get(id))!
  const words = nodes!.map(({ state, reason }) => (reason === undefined ? state : `${state}: ${reason}`))
  return [state, ...words]
}

/** Runs a worker until no job waits. Flows go on meanwhile as far as they can. */
async function work(bench: Bench): Promise<void> {
  await (await bench.work(classes, { stopWhenEmpty: true })).done
}

/** @returns a worker that goes on until a flow has a state */
async function workUntil(bench: Bench, id: string, state: string): Promise<void> {
  const worker = await bench.work(classes)
  const { flows } = operate(bench.jobs)
  await expect.poll(async () => (await flows.get(id, { nodes: false }))?.state).toBe(state)
  await worker.stop()
}

export function purging(connect: Connect): void {
  const make = () => {
    did = []
    return Bench.make(connect)
  }

  test.each<[by: string, which: (flow: FlowInfo) => Parameters<Jobs['purge']>[0]]>([
    ['id', (flow) => nodeId(flow, 0)],
    ['where', () => ({ where: { who: ADA } })],
    ['queue', () => ({ queue: 'default' })],
    ['key', () => ({ key: 'care' })],
    ['state', () => ({ state: ['waiting', 'blocked'] })],
    ['all', () => gone],
  ])('a chain whose first step waits, by %s: nothing of it runs, and nothing is kept', async (_, which) => {
    await using bench = await make()
    const { jobs } = bench
    const flow = await dispatch(jobs, chain([care('one'), care('two'), care('three')]))
    const chosen = which(flow)
    expect(await jobs.purge(chosen, { dryRun: true })).toEqual({ removed: 3, running: 0 })
    expect(await jobs.purge(chosen)).toEqual({ removed: 3, running: 0 })
    expect(await statesOf(jobs, flow.id)).toEqual([
      ...['failed', 'cancelled: removed', 'skipped: skipped', 'skipped: skipped'],
    ])
    expect(await jobs.flow(flow.id).retry()).toBe(false)
    expect(await jobs.purge(chosen)).toEqual({ removed: 0, running: 0 })
    await work(bench)
    expect(did).toEqual([])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('a purge of the last job of a flow removes the names and tags of the flow and the names of its nodes', async () => {
    await using bench = await make()
    const { jobs } = bench
    const names = { name: `of ${ADA}` }
    const named = (last: string) =>
      workflow(ADA, (w) => {
        const one = w.add(care('one'), names)
        w.add(chain([care('two')]).tagged(ADA), { after: one, name: `flow of ${ADA}` })
        w.add(care('three', last), { name: `last of ${ADA}` })
      })
        .tagged(ADA)
        .onEnded(care('callback'))
    const members = await dispatch(
      jobs,
      batch([care('member')])
        .name(ADA)
        .tagged(ADA),
    )
    const flow = await dispatch(jobs, named(ADA))
    const mixed = await dispatch(jobs, named('bob'))
    await jobs.purge({ where: { who: ADA } })
    const { flows } = operate(jobs)
    // Other jobs of the flow are left, and people find them by the name and the tags.
    expect(await flows.get(mixed.id)).toMatchObject({ name: ADA, tags: [ADA], nodes: [names, {}, {}, {}] })
    await jobs.purge({ where: { who: 'bob' } })
    for (const { id } of [members, flow, mixed]) {
      expect(await flows.get(id)).not.toHaveProperty('name')
      expect(await flows.get(id)).not.toHaveProperty('tags')
    }
    const left = (await flows.get(mixed.id))!.nodes!.map(({ name }) => name)
    expect(left).toEqual(['care 1', 'chain 2', 'care 3', 'care 4'])
    await work(bench)
    expect(did).toEqual([])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('nodes that wait for a purged node follow their policies', async () => {
    await using bench = await make()
    const { jobs } = bench
    const flow = await dispatch(
      jobs,
      workflow('care', (w) => {
        const one = w.add(care('one'))
        w.add(other('skips'), { after: one })
        w.add(other('runs'), { after: one, ifFailed: 'run' })
        w.add(other('fails'), { after: one, ifFailed: 'fail' })
        w.add(care('uses nothing', 'bob'))
        w.add(new OtherJob().with({ step: 'uses', result: one.result }), { ifFailed: 'run' })
      })
        .onFailed(other('callback'))
        .onEnded(care('callback')),
    )
    expect(await jobs.purge({ where: { who: ADA } }, { dryRun: true })).toEqual({ removed: 4, running: 0 })
    expect(await jobs.purge({ where: { who: ADA } })).toEqual({ removed: 4, running: 0 })
    await workUntil(bench, flow.id, 'failed')
    await work(bench)
    expect(await statesOf(jobs, flow.id)).toEqual([
      ...['failed', 'cancelled: removed', 'skipped: skipped', 'completed', 'failed: skipped', 'completed'],
      ...['completed', 'completed', 'cancelled: removed'],
    ])
    expect(did.sort()).toEqual(['callback', 'runs', 'uses', 'uses nothing'])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('a purge removes a result and the nodes that would use the result', async () => {
    await using bench = await make()
    const { jobs } = bench
    const flow = await dispatch(
      jobs,
      workflow('outer', (w) => {
        const inner = w.add(chain([other('before'), care('last')]).onEnded(other('inner callback')), {
          name: 'inner',
        })
        w.add(new OtherJob().with({ step: 'uses', result: inner.result }).delayed('1h'))
        w.add(other('later').delayed('1h'), { after: inner })
      }),
    )
    const worker = await bench.work(classes)
    const { flows } = operate(jobs)
    await expect.poll(async () => (await flows.get(flow.id))!.nodes![1]!.state).toBe('started')
    await worker.stop()
    expect((await flows.get(flow.id))!.nodes![0]!.result).toEqual({ who: `${ADA}!` })
    const inner = (await flows.get(flow.id))!.nodes![0]!.flow!
    expect(await jobs.purge(nodeId(inner, 1), { dryRun: true })).toEqual({ removed: 2, running: 0 })
    expect(await jobs.purge(nodeId(inner, 1))).toEqual({ removed: 2, running: 0 })
    expect((await flows.get(flow.id))!.nodes!.map(({ state, result }) => [state, result])).toEqual([
      ['completed', undefined],
      ['cancelled', undefined],
      ['started', undefined],
    ])
    await expect(jobs.flow(inner.id).result({ timeout: '10s' })).rejects.toMatchObject({
      code: 'RESULT_DROPPED',
      message: expect.stringMatching(/its result was not kept: it was purged$/),
    })
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('after a purge, no kind of payload contains the marker, and no job with the marker runs', async () => {
    await using bench = await make()
    const { jobs } = bench
    const operating = operate(bench.client())
    const large = care('large', `${ADA}${'x'.repeat(200_000)}`)
    // These jobs have ended, or wait between two attempts.
    await jobs.dispatch(care('done'))
    await jobs.dispatch(new UnkeptJob().with({ step: 'fails', who: ADA }))
    await jobs.dispatch(new AgainJob().with({ step: 'again', who: ADA }))
    const ended = await dispatch(
      jobs,
      workflow('ended', (w) => {
        const first = w.add(care('first'))
        w.add(new OtherJob().with({ step: 'handed on', result: first.result }))
        w.add(new AgainJob().with({ step: 'attempt', who: ADA }), { name: 'again' })
        w.add(care('never'), { after: first, name: 'later' })
      })
        .name('ended')
        .onCompleted(care('not needed')),
    )
    const members = await dispatch(jobs, batch([care('member'), care('fails'), other('quiet')]))
    const worker = await bench.work(classes)
    await expect.poll(async () => statesOf(jobs, members.id)).toEqual(['failed'])
    await expect
      .poll(async () => (await statesOf(jobs, ended.id)).slice(1, 3))
      .toEqual([...['completed', 'completed']])
    const delayed = { state: 'delayed', key: 'again' } as const
    await expect.poll(async () => (await jobs.list(delayed)).jobs.length).toBe(2)
    await worker.stop()
    did = []
    // These jobs wait, or were never queued.
    await jobs.pause({ queue: 'low' })
    await jobs.dispatch(care('waiting'))
    await jobs.dispatch(care('delayed').delayed('1h'))
    await jobs.dispatch(large)
    await jobs.dispatch(new OnceJob().with({ step: 'once', who: ADA }))
    await jobs.dispatch(new StrictJob().with({ step: 'grouped', who: ADA }).tagged(ADA))
    for (let n = 0; n < 2; n++) await jobs.dispatch(new LatestJob().with({ step: 'latest', who: ADA }))
    await jobs.schedules.set('nightly', care('scheduled'), cron('0 3 * * *', { timezone: 'UTC' }))
    await jobs.schedules.runNow('nightly')
    // The audit has changes that people make, and no purge changes the audit.
    await operating.cancel({ key: 'strict', where: { who: ADA } }, { because: 'left' })
    await operating.prioritize({ key: 'care', where: { who: ADA } }, 1)
    const unfit = () => {
      throw new Error(`${ADA} is not an address`)
    }
    await expect(operating.edit({ key: 'once', where: { who: ADA } }, unfit as never)).rejects.toThrow(ADA)
    await operating.purge({ tag: ADA })
    const hidden = await jobs.dispatch(new ToldJob().with({ step: 'hidden', who: ADA }))
    await hidden.cancel()
    await hidden.remove()
    await jobs.dispatch(chain([care('step').delayed('1h'), care('blocked'), large]))
    await jobs.dispatch(chain([other('open').delayed('1h'), care('blocked')]).onEnded(care('callback')))
    await jobs.dispatch(
      chain([
        new StrictJob().with({ step: 'strict', who: ADA }),
        new StrictJob().with({ step: 'strict', who: ADA }),
      ]),
    )
    await jobs.dispatch(batch([care('far'), new LowJob().with({ step: 'far', who: ADA })]))
    await jobs.dispatch(
      workflow('nested', (w) => {
        const now = w.add(batch([care('inner'), new LowJob().with({ step: 'inner', who: ADA })]))
        w.add(batch([care('later'), other('later')]).onEnded(care('inner callback')), { after: now })
        w.add(chain([other('later'), chain([care('deep')])]), { after: now, name: 'deep' })
      }),
    )
    const callback = await dispatch(jobs, batch([]).onEnded(care('queued callback').delayed('1h')))
    expect(callback.state).toBe('completed')
    // A schedule has the payload of its jobs.
    await jobs.schedules.remove('nightly')
    const by = { where: { who: ADA } }
    const would = await operating.purge(by, { dryRun: true })
    expect(await operating.purge(by)).toEqual(would)
    const changes = (await operating.audit()).entries.map(({ what }) => what)
    expect(changes).toEqual(['purge', 'purge', 'edit', 'prioritize', 'cancel'])
    // Filters do not find large payloads in their stored form, or removed jobs.
    await operating.purge({ key: 'care' })
    await operating.purge(hidden.id)
    expect(await bench.place.mentions!(ADA)).toEqual([])
    const audit = await operating.audit()
    const calls: unknown[] = [audit.entries, await jobs.list(), await jobs.failed(), await jobs.status()]
    for (const { id } of (await jobs.flows({ nested: true })).flows)
      calls.push(await operating.flows.get(id, { failures: 100 }))
    expect(JSON.stringify(calls)).not.toContain(ADA)
    await jobs.resume({ queue: 'low' })
    for (const { id } of (await jobs.list({ state: 'delayed' })).jobs) await jobs.runNow(id)
    await work(bench)
    expect((await jobs.flows({ state: 'open', nested: true })).flows).toEqual([])
    expect(did.filter((step) => !['open', 'later', 'handed on'].includes(step))).toEqual([])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('purged members of batches in several partitions end, and the other members run', async () => {
    await using bench = await make()
    const jobs = bench.client({ queues: { default: { partitions: 3 }, low: {} } })
    const names = Array.from({ length: 12 }, (_, n) => (n % 3 === 0 ? `${ADA} ${n}` : `bob ${n}`))
    const members = names.map((who, n) => new CareJob().with({ step: `m${n}`, who }))
    const flow = await dispatch(
      jobs,
      workflow('outer', (w) => {
        const now = w.add(batch(members).allowFailures(), { name: 'now' })
        w.add(batch(members).allowFailures(4), { after: now, name: 'later' })
      }),
    )
    const plain = await dispatch(jobs, batch(members).onFailed(care('callback')))
    // The purge reaches waiting members, members that were never queued, and the callback.
    for (const who of names.filter((each) => each.startsWith(ADA)))
      expect(await jobs.purge({ where: { who } })).toEqual({ removed: 3, running: 0 })
    expect(await jobs.purge({ where: { who: ADA } })).toEqual({ removed: 1, running: 0 })
    const worker = await bench.work(classes, {}, jobs)
    const { flows } = operate(jobs)
    await expect.poll(async () => (await flows.get(flow.id))?.state).toBe('completed')
    await expect.poll(async () => (await flows.get(plain.id))?.state).toBe('failed')
    await expect.poll(async () => (await statesOf(jobs, plain.id))[1]).toBe('cancelled: removed')
    await worker.stop()
    const { nodes } = (await flows.get(flow.id))!
    for (const { result } of nodes!) expect(result).toEqual({ total: 12, completed: 8, failed: 4 })
    const bobs = names.flatMap((who, n) => (who.startsWith(ADA) ? [] : [`m${n}`]))
    // The plain batch has failed at once, so some of its members may have been skipped.
    expect(new Set(did)).toEqual(new Set(bobs))
    const { failures } = (await flows.get(plain.id, { failures: 12 }))!
    expect(failures!.filter(({ reason }) => reason === 'removed').map(({ member }) => member)).toHaveLength(4)
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('a purge by id removes a member, and a queued callback', async () => {
    await using bench = await make()
    const { jobs } = bench
    const members = batch([care('member').delayed('1h'), other('runs')]).allowFailures(1)
    const flow = await dispatch(jobs, members.onEnded(care('callback').delayed('1h')))
    const member = memberId({ flow: flow.id, home: flow.home, index: 0 })
    expect(await jobs.purge(member, { dryRun: true })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.purge([member, member])).toEqual({ removed: 1, running: 0 })
    await workUntil(bench, flow.id, 'completed')
    expect((await statesOf(jobs, flow.id))[1]).toBe('started')
    const callback = nodeId(flow, 0)
    expect(await jobs.purge([callback], { dryRun: true })).toEqual({ removed: 1, running: 0 })
    expect(await jobs.purge([callback])).toEqual({ removed: 1, running: 0 })
    expect(await statesOf(jobs, flow.id)).toEqual(['completed', 'cancelled: removed'])
    await work(bench)
    expect(did).toEqual(['runs'])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('if a process dies in a purge, removed jobs do not start, and a second purge removes the rest', async () => {
    await using bench = await make()
    const { jobs } = bench
    const flow = await dispatch(
      jobs,
      workflow('cut', (w) => {
        const first = w.add(care('first'))
        w.add(batch([care('member'), other('runs')]).allowFailures(1), { name: 'members' })
        w.add(care('next'), { after: first, name: 'next' })
      }),
    )
    const dying = bench.client()
    const { store } = await insideOf(dying).open()
    vi.spyOn(store.flows, 'apply').mockRejectedValue(new Error('the process has died'))
    await expect(dying.purge({ where: { who: ADA } })).rejects.toThrow('the process has died')
    // At its next check, the flow finds that the job and its payload no longer exist.
    await workUntil(bench, flow.id, 'failed')
    expect(did).toContain('runs')
    expect(did).not.toContain('first')
    expect(did).not.toContain('next')
    await jobs.purge({ where: { who: ADA } })
    expect((await statesOf(jobs, flow.id)).filter((state) => state !== 'completed')).toEqual([
      ...['failed', 'cancelled: removed', 'skipped: skipped'],
    ])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('a purge leaves a running job of a flow, and a second purge removes it', async () => {
    await using bench = await make()
    const { jobs } = bench
    const [begun, end] = [signal(), signal()]
    class LongJob extends CareJob {
      override readonly key = 'long'
      override async handle({ who }: Payload) {
        begun.resolve()
        await end.promise
        return { who }
      }
    }
    const steps = [new LongJob().with({ step: 'long', who: ADA }), care('next'), care('last', 'bob')]
    const flow = await dispatch(jobs, chain(steps))
    const worker = await bench.work([LongJob as never, ...classes])
    await begun.promise
    const { flows } = operate(jobs)
    expect(await jobs.purge({ where: { who: ADA } }, { dryRun: true })).toEqual({ removed: 2, running: 1 })
    expect(await jobs.purge({ where: { who: ADA } })).toEqual({ removed: 2, running: 1 })
    await expect(jobs.purge(nodeId(flow, 0))).rejects.toMatchObject({ code: 'JOB_NOT_REMOVABLE' })
    expect(await flows.purge(flow.id)).toEqual({ removed: 0, running: 1 })
    end.resolve()
    await expect
      .poll(() => statesOf(jobs, flow.id))
      .toEqual([...['failed', 'completed', 'cancelled: removed', 'skipped: skipped']])
    await worker.stop()
    expect(await jobs.purge({ where: { who: ADA } })).toEqual({ removed: 1, running: 0 })
    expect(did).toEqual([])
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })

  test('a purge of a whole flow leaves nothing of it, in any state', async () => {
    await using bench = await make()
    const { jobs } = bench
    const operating = operate(jobs)
    const flow = await dispatch(
      jobs,
      workflow('all', (w) => {
        const first = w.add(batch([care('a'), care('b'), other('c')]))
        w.add(chain([care('d'), other('e')]), { after: first })
        w.add(care('f').delayed('1h'))
      })
        .tagged(ADA)
        .onEnded(care('callback')),
    )
    const plain = await dispatch(jobs, batch([care('g'), other('h')]).onEnded(other('callback')))
    expect(await operating.flows.purge(flow.id, { dryRun: true })).toEqual({ removed: 7, running: 0 })
    expect(await operating.flows.purge(flow.id)).toEqual({ removed: 7, running: 0 })
    expect(await operating.flows.purge(plain.id, { dryRun: true })).toEqual({ removed: 3, running: 0 })
    expect(await operating.flows.purge(plain.id)).toEqual({ removed: 3, running: 0 })
    expect(await jobs.flows({ nested: true })).toEqual({ flows: [], damaged: [] })
    await expect(operating.flows.purge(flow.id)).rejects.toMatchObject({ code: 'FLOW_NOT_FOUND' })
    await work(bench)
    expect(did).toEqual([])
    expect(await jobs.list()).toMatchObject({ jobs: [] })
    expect(await bench.place.mentions!(ADA)).toEqual([])
    const { entries } = await operating.audit({ what: 'purge-flow' })
    expect(entries.map(({ on, count, outcome }) => [on, count, outcome])).toEqual([
      [`flow ${flow.id}`, 0, 'failed'],
      [`flow ${plain.id}`, 3, 'done'],
      [`flow ${flow.id}`, 7, 'done'],
    ])
  })

  test('after a purge of an inner flow, its node has ended, and the other nodes go on', async () => {
    await using bench = await make()
    const { jobs } = bench
    const flow = await dispatch(
      jobs,
      workflow('outer', (w) => {
        const inner = w.add(chain([care('a').delayed('1h'), care('b')]), { name: 'inner' })
        w.add(other('runs'), { after: inner, ifFailed: 'run' })
      }),
    )
    const inner = (await operate(jobs).flows.get(flow.id))!.nodes![0]!.flow!
    expect(await operate(jobs).flows.purge(inner)).toEqual({ removed: 2, running: 0 })
    await workUntil(bench, flow.id, 'completed')
    expect(did).toEqual(['runs'])
    expect((await statesOf(jobs, flow.id))[1]).toMatch(/: removed$/)
    expect(await bench.place.mentions!(ADA)).toEqual([])
  })
}
