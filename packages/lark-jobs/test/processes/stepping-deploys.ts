/** Jobs with steps that are suspended while the application is deployed again, with other steps. */
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

/** A job with two releases of its code. Between them, a step is inserted, removed, renamed and moved. */
const tour = (steps: string) => `
  import { appendFileSync } from 'node:fs'
  import { defineSignal, Job } from '@s18i/lark-jobs'
  const begin = defineSignal('begin')
  export class TourJob extends Job {
    key = 'tour'
    async handle() {
      const book = (name) => this.step(name, () => {
        appendFileSync('calls', name + ' ' + this.id + '\\n')
        return name + ' of ' + this.id
      })
      const waited = () => this.waitFor(begin)
      return [${steps}]
    }
  }`
const former = tour(
  `await book('flight'), await book('hotel'), await book('car'), await waited(), await book('guide')`,
)
const deployed = tour(
  `await book('visa'), await book('car'), await waited(), await book('inn'), await book('flight'), await book('guide')`,
)
const tourFiles = {
  'lark.config.js': `export default { jobs: { prefix: process.env.PREFIX || 'lark' } }`,
  calls: '',
  'work.js': `
    import { Jobs } from '@s18i/lark-jobs'
    const worker = await Jobs.work({ stopWhenEmpty: true })
    await worker.done
    await Jobs.close()`,
  'jobs/TourJob.js': former,
  'put.js': `
    import { Jobs } from '@s18i/lark-jobs'
    import { TourJob } from './jobs/TourJob.js'
    await Jobs.dispatch(Array.from({ length: 1000 }, (_, n) => TourJob.with().withId('tour-' + n)))
    await Jobs.close()`,
  'begin.js': `
    import { defineSignal, Jobs } from '@s18i/lark-jobs'
    import { TourJob } from './jobs/TourJob.js'
    const begin = defineSignal('begin')
    const tours = Array.from({ length: 1000 }, (_, n) => Jobs.handle(TourJob, 'tour-' + n))
    await Promise.all(tours.map((tour) => tour.send(begin)))
    await Jobs.close()`,
  'results.js': `
    import { Jobs } from '@s18i/lark-jobs'
    import { TourJob } from './jobs/TourJob.js'
    const tours = Array.from({ length: 1000 }, (_, n) => Jobs.handle(TourJob, 'tour-' + n))
    console.log(JSON.stringify(await Promise.all(tours.map((tour) => tour.result()))))
    await Jobs.close()`,
}

/** @param url the URL of a store; undefined for the embedded store */
export function steppingDeploys(url: () => string | undefined): void {
  test('1,000 suspended jobs go on with the code of the next release', async () => {
    const prefix = newPrefix()
    const server = url()
    await using app = await App.make(tourFiles, { LARK_JOBS_URL: server, PREFIX: prefix })
    if (server !== undefined) app.atEnd(() => removeKeys(server, prefix))
    const runs = async (...names: string[]) => {
      for (const name of names) expect(await app.start([`${name}.js`]).result).toMatchObject({ code: 0 })
    }
    await runs('put', 'work')
    await app.write({ 'jobs/TourJob.js': deployed })
    await runs('begin', 'work')
    const all = Array.from({ length: 1_000 }, (_, n) => `tour-${n}`)
    const called = [...['flight', 'hotel', 'car'], ...['visa', 'inn', 'guide']]
    expect((await app.read('calls')).trim().split('\n').sort()).toEqual(
      all.flatMap((id) => called.map((name) => `${name} ${id}`)).sort(),
    )
    const results = JSON.parse((await app.start(['results.js']).result).stdout)
    const of = (id: string) => (name: string) => `${name} of ${id}`
    expect(results).toEqual(
      all.map((id) => {
        const [visa, car, inn, flight, guide] = ['visa', 'car', 'inn', 'flight', 'guide'].map(of(id))
        return [visa, car, {}, inn, flight, guide]
      }),
    )
  })
}
