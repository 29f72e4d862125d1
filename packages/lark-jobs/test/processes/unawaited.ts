/**
 * Dispatches that nobody awaits. A failed dispatch is reported once, like any rejected promise, and a process
 * does not end silently while dispatches have no answer. @param url undefined: the embedded store
 */
import { expect, test } from 'vitest'
import { newPrefix, removeKeys } from '../redis/place.ts'
import { App } from './app.ts'

const jobs = `
  import { Job, Jobs, createJobs } from '@s18i/lark-jobs'
  export class NoteJob extends Job { key = 'note'; handle(payload) {} }
  export class LostJob extends Job { key = 'lost'; queueName = 'nope'; handle(payload) {} }
  export { Jobs, createJobs }`

async function appWith(url: string | undefined, files: Record<string, string>): Promise<App> {
  const prefix = newPrefix()
  const config = `export default { jobs: { queues: ['default'], prefix: process.env.PREFIX || 'lark' } }`
  const app = await App.make(
    { 'lark.config.js': config, 'jobs.js': jobs, ...files },
    { LARK_JOBS_URL: url, PREFIX: prefix },
  )
  if (url !== undefined) app.atEnd(() => removeKeys(url, prefix))
  return app
}

/** Ways to dispatch without handling the promise. Each of these dispatches fails. */
const failing: [code: string, dispatch: string][] = [
  ['UNKNOWN_QUEUE', 'new LostJob().dispatch({})'],
  ['UNKNOWN_QUEUE', 'new LostJob().dispatchMany([{}, {}])'],
  ['UNKNOWN_QUEUE', 'createJobs().dispatch(new LostJob(), {})'],
  ['STORE_UNREACHABLE', `createJobs({ connection: 'redis://127.0.0.1:1' }).dispatch(new NoteJob(), {})`],
  ['STORE_INVALID', `createJobs({ connection: 'mysql://x' }).dispatchMany(new NoteJob(), [{}, {}])`],
  ['UNKNOWN_QUEUE', 'await Jobs.status(); new LostJob().dispatch({})'],
  ['UNKNOWN_QUEUE', 'new LostJob().dispatchMany([{}, {}])'],
  ['PAYLOAD_NOT_JSON', 'new NoteJob().dispatch({ at: new Date() })'],
  ['PAYLOAD_NOT_JSON', 'new NoteJob().dispatchMany([{ at: new Date() }])'],
  ['PAYLOAD_NOT_JSON', 'new NoteJob().dispatchNow({ at: new Date() })'],
  ['UNKNOWN_QUEUE', `Jobs.work({ queues: 'nope', jobs: [NoteJob] })`],
  // The dispatch fails because the store is already closed.
  [
    'STORE_UNREACHABLE',
    `const inside = Object.getOwnPropertySymbols(Object.getPrototypeOf(Jobs)).find(({ description }) => description.endsWith('.inside')); await (await Jobs[inside].open()).store.close(); new NoteJob().dispatch({})`,
  ],
  ['STORE_UNREACHABLE', 'new NoteJob().dispatchMany([{}, {}])'],
]

export function unawaited(url: () => string | undefined): void {
  /** A test of a process that gets no answer of the store. The test runs only on the embedded store. */
  const itself = (name: string, act: () => Promise<void>) => void (url() === undefined && test(name, act))

  itself(
    'a dispatch that fails ends the process like any rejected promise, and the error names its line',
    async () => {
      await using app = await appWith(url(), {
        'main.js': `import { LostJob } from './jobs.js'\nnew LostJob().dispatch({})`,
      })
      const { code, stdout, stderr } = await app.start(['main.js']).result
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr.split(`code: 'UNKNOWN_QUEUE'`)).toHaveLength(2)
      expect(stderr).toMatch(/main\.js:2/)
      expect(stderr).not.toContain('answered')
    },
  )

  itself('a dispatch in production without a store does the same', async () => {
    await using app = await appWith(undefined, {
      'main.js': `import { NoteJob } from './jobs.js'\nnew NoteJob().dispatch({})`,
    })
    const { code, stderr } = await app.start(['main.js'], '.', { NODE_ENV: 'production' }).result
    expect(code).toBe(1)
    expect(stderr.split(`code: 'STORE_NOT_CONFIGURED'`)).toHaveLength(2)
  })

  itself('each failed dispatch is reported once, whichever way it was dispatched', async () => {
    await using app = await appWith(url(), {
      'main.js': `
        import { NoteJob, LostJob, Jobs, createJobs } from './jobs.js'
        process.on('unhandledRejection', ({ code }) => console.log(code))
        process.on('rejectionHandled', () => console.log('handled late'))
        ${failing.map(([, dispatch]) => dispatch).join('\n')}`,
    })
    const { code, stdout, stderr } = await app.start(['main.js']).result
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.trim().split('\n').sort()).toEqual(failing.map(([code]) => code).sort())
  })

  itself('a dispatch whose error is caught reports nothing', async () => {
    await using app = await appWith(url(), {
      'main.js': `
        import { NoteJob, LostJob, Jobs } from './jobs.js'
        const codes = []
        const note = ({ code }) => codes.push(code)
        new LostJob().dispatch({}).catch(note)
        new LostJob().dispatchMany([{}, {}]).catch(note)
        await Jobs.status()
        new LostJob().dispatchMany([{}, {}]).catch(note)
        await new LostJob().dispatch({}).catch(note)
        await new NoteJob().dispatch({})
        new NoteJob().dispatch({})
        await Jobs.flush()
        console.log(codes.length)
        process.exit()`,
    })
    expect(await app.start(['main.js']).result).toMatchObject({ code: 0, stdout: '4\n', stderr: '' })
  })

  test('a process that exits before its dispatches are answered reports their number once', async () => {
    await using app = await appWith(url(), {
      'main.js': `
        import { NoteJob, Jobs, createJobs } from './jobs.js'
        await Jobs.status()
        for (let i = 0; i < 3; i++) new NoteJob().dispatch({})
        new NoteJob().dispatchMany([{}, {}])
        createJobs().dispatch(new NoteJob(), {})
        process.exit(7)`,
    })
    expect(await app.start(['main.js']).result).toMatchObject({
      code: 7,
      stdout: '',
      stderr:
        '! lark-jobs  The process ended before 5 dispatches were answered: their jobs may not be queued. Await them, or Jobs.flush(), first\n',
    })
  })

  itself('a process that ends because nothing is left to do reports the number too', async () => {
    await using app = await appWith(url(), {
      'lark.config.js': 'await new Promise(() => {})',
      'main.js': `import { NoteJob } from './jobs.js'\nnew NoteJob().dispatch({})`,
    })
    expect(await app.start(['main.js']).result).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('The process ended before 1 dispatch was answered: its job may'),
    })
  })
}
