/**
 * Flows whose workers and dispatchers are killed all the time. Each flow must end in the state that follows
 * from its jobs, all counts must be right, each callback must be one job, and each step must get the result
 * of the counted run of the step before.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Random } from '../conformance/random.ts'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'

/** How many flows there are of each kind. */
const EACH = 12
const LINKS = 8
const MEMBERS = 120
/** How many members of a batch fail. */
const BAD = 7
/** For how many milliseconds the test kills processes. */
const KILLING = 4_000

const files = {
  // With two partitions, some jobs end in the partition of their flow, and others in the other partition.
  'lark.config.js': `export default { jobs: {
    prefix: process.env.PREFIX || 'lark', queues: { default: { partitions: 2 }, other: {} } } }`,
  'jobs/flows.js': `
    import { appendFileSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Job } from '@s18i/lark-jobs'
    const note = (line) => appendFileSync('runs.jsonl', JSON.stringify(line) + '\\n')
    export class StepJob extends Job {
      key = 'step'
      async handle({ n, by }) {
        note({ kind: 'step', id: this.id, by })
        await sleep(Math.random() * 20)
        return { n: n + 1, by: this.id + ' ' + Math.random() }
      }
    }
    export class ItemJob extends Job {
      key = 'item'
      tries = 1
      queueName = 'other'
      async handle({ isBad }) {
        await sleep(Math.random() * 5)
        if (isBad) throw new Error('bad')
      }
    }
    export class TellJob extends Job {
      key = 'tell'
      async handle() {
        const { id, state } = await this.flow.status({ nodes: false })
        note({ kind: 'told', id: this.id, flow: id, state })
      }
    }`,
  'dispatch.js': `
    import { batch, chain, Jobs, workflow } from '@s18i/lark-jobs'
    import { ItemJob, StepJob, TellJob } from './jobs/flows.js'
    const tell = new TellJob().with()
    for (let i = 0; i < ${EACH}; i++) {
      let steps = chain([new StepJob().with({ n: 0, by: 'nobody' })])
      for (let link = 1; link < ${LINKS}; link++) steps = steps.next((all) => new StepJob().with(all.at(-1)))
      await steps.withId('chain-' + i).onEnded(tell).dispatch()
      await workflow('diamond', (w) => {
        const top = w.add(new StepJob().with({ n: 0, by: 'nobody' }))
        const sides = [1, 2, 3].map(() => w.add(chain([new StepJob().with({ n: 5, by: 'nobody' })]), { after: top }))
        const items = w.add(batch([0, 1, 2].map(() => new ItemJob().with({ isBad: false }))), { after: top })
        const bad = w.add(new ItemJob().with({ isBad: true }), { name: 'bad', after: sides })
        w.add(new StepJob().with({ n: 0, by: 'nobody' }), { name: 'skipped', after: bad })
        w.add(new StepJob().with(top.result), { name: 'last', after: [bad, items], ifFailed: 'run' })
      }).withId('diamond-' + i).onEnded(tell).dispatch()
      if (process.argv[2] === 'batches')
        await batch(Array.from({ length: ${MEMBERS} }, (_, n) => new ItemJob().with({ isBad: n < ${BAD} })))
          .allowFailures().withId('batch-' + i).onCompleted(tell).dispatch()
    }
    console.log('all dispatched')
    await Jobs.close()`,
  'fill.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { batch } from '@s18i/lark-jobs'
    import { ItemJob, TellJob } from './jobs/flows.js'
    async function* members() {
      for (let n = 0; ; n++) {
        yield new ItemJob().with({ isBad: false })
        await sleep(2)
        if (n === 500) console.log('fills')
      }
    }
    await batch(members()).withId('left-0').onFailed(new TellJob().with()).dispatch()`,
  // The lease is half a second instead of 15 seconds, so that the test is short.
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    await Jobs.work({ concurrency: 10, lease: 500, queues: ['default', 'other'] })
    console.log('works')`,
  'look.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const { flows } = await Jobs.flows({}, { limit: 1_000 })
    const whole = await Promise.all(flows.map(({ id, parent }) => parent ? undefined : Jobs.flow(id).status()))
    console.log(JSON.stringify(whole.filter(Boolean)))
    await Jobs.close()`,
}

interface Look {
  id: string
  state: string
  reason?: string
  counts: Record<string, number>
  nodes: { name: string; state: string; on?: string; jobId?: string; result?: { n: number; by: string } }[]
}

interface Line {
  kind: 'step' | 'told'
  id: string
  by?: string
  flow?: string
  state?: string
}

/** @param url the URL of a store; undefined for the embedded store */
export function flowing(url: () => string | undefined): void {
  async function make() {
    const prefix = newPrefix()
    const server = url()
    const app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    return app
  }

  async function look(app: App): Promise<Look[]> {
    const { stdout, stderr } = await app.start(['look.js']).result
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  }

  test('flows end in the state that follows from their jobs, however often workers and dispatchers die', async () => {
    await using app = await make()
    const random = new Random(Date.now())
    const work = async (): Promise<Running> => {
      const worker = app.start(['work.js'])
      await worker.says('works')
      return worker
    }
    const workers = await Promise.all([work(), work(), work()])
    // Kill the process that fills a batch. So the batch ends 30 seconds later.
    const filler = app.start(['fill.js'])
    await filler.says('fills')
    filler.child.kill('SIGKILL')
    await filler.result
    // Kill a dispatcher. Another dispatcher repeats its dispatch.
    for (let i = 0; i < 3; i++) {
      const dispatcher = app.start(['dispatch.js', 'no batches'])
      await pause(300 + random.below(400))
      dispatcher.child.kill('SIGKILL')
      await dispatcher.result
    }
    const dispatched = app.start(['dispatch.js', 'batches']).result
    const until = performance.now() + KILLING
    while (performance.now() < until) {
      const at = random.below(workers.length)
      workers[at]!.child.kill('SIGKILL')
      await workers[at]!.result
      workers[at] = await work()
    }
    const { code, stderr } = await dispatched
    expect(code, stderr).toBe(0)

    let flows: Look[] = []
    await expect
      .poll(
        async () => {
          flows = await look(app)
          const isOver = ({ state, nodes }: Look) =>
            !['open', 'ending', 'filling'].includes(state) && nodes.every((node) => node.state !== 'started')
          return flows.filter((flow) => !isOver(flow)).map(({ id, state, nodes }) => ({ id, state, nodes }))
        },
        { timeout: 60_000, interval: 2_000 },
      )
      .toEqual([])
    for (const { child } of workers) child.kill('SIGTERM')

    const lines = (await app.read('runs.jsonl'))
      .trimEnd()
      .split('\n')
      .map((line): Line => JSON.parse(line))
    const kinds = ['chain', 'diamond', 'batch'].flatMap((kind) =>
      Array.from({ length: EACH }, (_, i) => `${kind}-${i}`),
    )
    expect(flows.map(({ id }) => id).sort()).toEqual([...kinds, 'left-0'].sort())
    for (const { id, state, reason, counts, nodes } of flows) {
      const results = new Map(nodes.map((node) => [node.jobId, node.result]))
      if (id.startsWith('chain')) {
        expect({ id, state }).toEqual({ id, state: 'completed' })
        const steps = nodes.filter(({ on }) => on === undefined)
        expect(steps.map(({ result }) => result!.n)).toEqual(Array.from({ length: LINKS }, (_, i) => i + 1))
        // Each run of a step got the result of the counted run of the previous step.
        for (const [i, step] of steps.entries()) {
          const before = i === 0 ? 'nobody' : results.get(steps[i - 1]!.jobId)!.by
          const runs = lines.filter(({ kind, id }) => kind === 'step' && id === step.jobId)
          expect(runs.length).toBeGreaterThan(0)
          expect(new Set(runs.map(({ by }) => by))).toEqual(new Set([before]))
        }
      } else if (id.startsWith('diamond')) {
        const stateOf = (name: string) => nodes.find((node) => node.name === name)!.state
        expect([state, stateOf('bad'), stateOf('skipped'), stateOf('last')]).toEqual([
          'failed',
          'failed',
          'skipped',
          'completed',
        ])
      } else if (id === 'left-0') {
        expect({ state, reason }).toEqual({ state: 'failed', reason: 'abandoned' })
        expect(counts.completed! + counts.failed!).toBe(counts.total)
        expect(counts.total).toBeGreaterThan(0)
      } else {
        expect({ state, ...counts }).toMatchObject({
          state: 'completed',
          total: MEMBERS,
          completed: MEMBERS - BAD,
          failed: BAD,
        })
      }
      const told = lines.filter(({ kind, flow }) => kind === 'told' && flow === id)
      expect(new Set(told.map((line) => line.id)).size).toBe(1)
      expect(new Set(told.map((line) => line.state))).toEqual(new Set([state]))
    }
  })
}
