/**
 * Deploys while flows run. The next version of an application has renamed one job class, removed one and
 * added one. The version is rolled back and deployed again, and old processes still dispatch meanwhile. No
 * flow must get stuck.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App, type Running } from './app.ts'

/** How many chains each version dispatches, and how many steps each chain has. */
const CHAINS = 6
const STEPS = 8
const names = (kind: string) => Array.from({ length: CHAINS }, (_, i) => `${kind}-${i}`)

const step = (name: string, key: string, more = '') => `
  export class ${name} extends Job {
    key = '${key}'
    ${more}
    async handle({ n }) {
      await sleep(30)
      return { n: n + 1 }
    }
  }`
const head = `
  import { setTimeout as sleep } from 'node:timers/promises'
  import { Job } from '@s18i/lark-jobs'`

const files = {
  'lark.config.js': `export default { jobs: { prefix: process.env.PREFIX || 'lark', queues: ['default'] } }`,
  'old.js': `${head}${step('FirstJob', 'charge')}${step('OtherJob', 'pack')}${step('GoneJob', 'gone')}`,
  'next.js': `${head}${step('FirstJob', 'bill', "aliases = ['charge']")}${step('OtherJob', 'pack')}${step('AddedJob', 'receipt')}`,
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const jobs = Object.values(await import('./' + process.argv[2] + '.js'))
    const worker = await Jobs.work({ jobs, concurrency: 5, lease: 500 })
    process.once('SIGTERM', async () => {
      await worker.stop()
      await Jobs.close()
    })
    console.log('works')`,
  'dispatch.js': `
    import { chain, Jobs } from '@s18i/lark-jobs'
    const version = process.argv[2]
    const { FirstJob, OtherJob, AddedJob = OtherJob } = await import('./' + version + '.js')
    const classes = [FirstJob, OtherJob, AddedJob]
    for (let i = 0; i < ${CHAINS}; i++) {
      let steps = chain([new FirstJob().with({ n: 0 })])
      for (let n = 1; n < ${STEPS}; n++) steps = steps.next((all) => new classes[n % 3]().with(all.at(-1)))
      await steps.withId(version + '-' + i).dispatch()
    }
    await Jobs.close()`,
  'gone.js': `
    import { batch, chain, Jobs, workflow } from '@s18i/lark-jobs'
    import { GoneJob, OtherJob } from './old.js'
    const gone = () => new GoneJob().with({ n: 0 })
    await workflow('half', (w) => {
      const first = w.add(new OtherJob().with({ n: 0 }), { name: 'first' })
      const lost = w.add(gone(), { name: 'lost', after: first })
      w.add(new OtherJob().with({ n: 0 }), { name: 'skipped', after: lost })
      w.add(new OtherJob().with({ n: 0 }), { name: 'anyway', after: lost, ifFailed: 'run' })
    }).withId('half').unknownAfter('1s').dispatch()
    await batch([gone(), new OtherJob().with({ n: 0 }), gone()]).allowFailures().withId('batch').unknownAfter('1s').dispatch()
    await chain([new OtherJob().with({ n: 0 }), gone()]).withId('waits').dispatch()
    await Jobs.close()`,
  // This script checks until all named flows have ended.
  'look.js': `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { Jobs } from '@s18i/lark-jobs'
    const ids = process.argv.slice(2)
    const look = () => Promise.all(ids.map((id) => Jobs.flow(id).status()))
    let flows = await look()
    while (flows.some(({ state }) => ['open', 'ending'].includes(state))) {
      await sleep(100)
      flows = await look()
    }
    console.log(JSON.stringify(flows))
    await Jobs.close()`,
  'state.js': `
    import { Jobs } from '@s18i/lark-jobs'
    console.log(JSON.stringify(await Jobs.flow(process.argv[2]).status()))
    await Jobs.close()`,
}

interface Look {
  id: string
  state: string
  counts: Record<string, number>
  nodes: { name: string; state: string; reason?: string; result?: { n: number } }[]
}

/** @param url the URL of a store; undefined for the embedded store */
export function flowingThroughDeploys(url: () => string | undefined): void {
  test('flows go on through deploys that rename, remove and add classes, and through a rollback', async () => {
    const prefix = newPrefix()
    const server = url()
    await using app = await App.make(files, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))

    async function work(version: string): Promise<Running> {
      const worker = app.start(['work.js', version])
      await worker.says('works')
      return worker
    }
    /** The new workers start before the old workers stop, as in a rolling deploy. */
    async function deploy(before: Running, version: string): Promise<Running> {
      const next = await work(version)
      before.child.kill('SIGTERM')
      expect(await before.result).toMatchObject({ code: 0 })
      return next
    }
    async function run(...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await app.start(args).result
      expect(code, stderr).toBe(0)
      return stdout
    }
    /** Waits until all these flows have ended, and returns their results. */
    async function ended(...ids: string[]): Promise<Map<string, Look>> {
      const flows = JSON.parse(await run('look.js', ...ids)) as Look[]
      return new Map(flows.map((flow) => [flow.id, flow]))
    }

    let worker = await work('old')
    await run('dispatch.js', 'old')
    worker = await deploy(worker, 'next')
    await run('dispatch.js', 'next')
    // Jobs of classes that only the next version has wait for this version.
    worker = await deploy(worker, 'old')
    await pause(300)
    worker = await deploy(worker, 'next')
    // An old process still dispatches jobs that the new workers do not know.
    await run('gone.js')
    const flows = await ended(...names('old'), ...names('next'), 'half', 'batch')
    for (const id of [...names('old'), ...names('next')]) {
      const { state, nodes } = flows.get(id)!
      expect({ id, state }).toEqual({ id, state: 'completed' })
      expect(nodes.map(({ result }) => result!.n)).toEqual(Array.from({ length: STEPS }, (_, n) => n + 1))
    }
    const half = flows.get('half')!
    expect(half.state).toBe('failed')
    expect(half.nodes).toMatchObject([
      { name: 'first', state: 'completed' },
      { name: 'lost', state: 'cancelled', reason: 'lost' },
      { name: 'skipped', state: 'skipped' },
      { name: 'anyway', state: 'completed' },
    ])
    expect(flows.get('batch')).toMatchObject({
      state: 'completed',
      counts: { completed: 1, failed: 0, cancelled: 2 },
    })
    // A flow whose class no worker knows waits for a day.
    expect(JSON.parse(await run('state.js', 'waits'))).toMatchObject({
      state: 'open',
      counts: { completed: 1, running: 1 },
    })
    worker = await deploy(worker, 'old')
    expect((await ended('waits')).get('waits')).toMatchObject({ state: 'completed' })
    worker.child.kill('SIGTERM')
  })
}
