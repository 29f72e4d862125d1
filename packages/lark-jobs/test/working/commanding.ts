import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type CommandArguments, LarkError } from '../../src/index.ts'
import { type JobRecord, operate } from '../../src/operate.ts'
import { App } from '../processes/app.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

const commands = `
  import { arg, Command, flag } from '@s18i/lark'
  const here = globalThis[Symbol.for('lark.test.commands')] ??= {}
  export class Greet extends Command {
    key = 'users:greet'
    names = arg.strings('Whom', { required: true })
    times = flag.number('How often', { default: 1 })
    handle() {
      this.info('begins')
      this.line(this.names.join(' and ') + ' ' + this.times)
      this.error('no mail\\nno phone')
      return { greeted: this.names.length }
    }
  }
  export class Fail extends Command {
    key = 'users:fail'
    how = arg.string('How')
    handle() {
      if (this.how === 'throw') throw new TypeError('no such user')
      return Number(this.how)
    }
  }
  export class Wait extends Command {
    key = 'users:wait'
    async handle() {
      here.begun(process.listenerCount('SIGINT'))
      if (!this.signal.aborted) await new Promise((resolve) => this.signal.addEventListener('abort', resolve))
      this.warn('stops')
      return 3
    }
  }
  export class Close extends Command {
    key = 'users:close'
    async handle() {
      await here.jobs.dispatchCommand('users:greet', { names: 'Ada' })
      await here.jobs.close()
      await here.jobs[Symbol.asyncDispose]()
    }
  }`

const slot = Symbol.for('lark.test.commands')
interface Here {
  begun?: (listeners: number) => void
  jobs?: AsyncDisposable
}

/** Commands run as jobs. */
export function commanding(connect: Connect): void {
  const here = () => ((globalThis as { [slot]?: Here })[slot] ??= {})
  let app: App

  beforeAll(async () => {
    app = await App.make({ 'lark.config.js': 'export default {}', 'commands/users.js': commands })
  })
  afterAll(() => app[Symbol.asyncDispose]())
  beforeEach(() => void vi.stubEnv('LARK_CONFIG', `${app.folder}/lark.config.js`))
  afterEach(() => void vi.unstubAllEnvs())

  /** Runs a command as a job, until the job has ended. */
  async function ran(command: string, args?: CommandArguments, options = {}) {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatchCommand(command, args, options)
    const report = new Record()
    const worker = await bench.work([], { stopWhenEmpty: true, report })
    await worker.done
    return { handle, found: (await handle.find())!, report }
  }

  test('the output of the command becomes the log of the job, and its object becomes the result', async () => {
    const { handle, found, report } = await ran('users:greet', { names: ['Ada', 'Bob, too'], times: 2 })
    expect(handle.queue).toBe('default')
    expect(found).toMatchObject({
      ...{ key: 'lark:command', state: 'completed', result: { greeted: 2 } },
      payload: { command: 'users:greet', args: { names: ['Ada', 'Bob, too'], times: 2 } },
    })
    expect(found.log.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'info begins',
      'info Ada and Bob, too 2',
      'error no mail',
      'error no phone',
    ])
    expect(report.lines).toHaveLength(4)
  })

  test('a list of words is split as in a shell, but no shell runs', async () => {
    const { found } = await ran('users:greet', ['$(date)', '--times=3', '-q', '--', '--quiet'])
    expect(found.log.map(({ text }) => text)).toEqual(['$(date) and --quiet 3', 'no mail', 'no phone'])
  })

  test('an error or an exit code other than 0 fails an attempt, and the options of any job apply', async () => {
    const { found } = await ran('users:fail', ['7'], { queueName: 'low', tries: 2, backoff: 0, id: 'mine' })
    expect(found).toMatchObject({ id: 'mine', queue: 'low', state: 'failed', failures: 2 })
    expect(found.errors.at(-1)).toMatchObject({
      code: 'COMMAND_FAILED',
      message: 'users:fail ended with exit code 7',
    })
    const thrown = await ran('users:fail', { how: 'throw' }, { tries: 1 })
    expect(thrown.found.errors).toMatchObject([{ name: 'TypeError', message: 'no such user' }])
    expect((await ran('users:fail', { how: 0 })).found.state).toBe('completed')
  })

  test.each([
    ['users:greeet', {}, 'UNKNOWN_COMMAND', 'Unknown command "users:greeet" (Did you mean users:greet?)'],
    ['users:greet', { name: 'Ada' }, 'USAGE', 'users:greet takes no "name" (Did you mean names?)'],
    ['users:greet', [], 'USAGE', 'Missing argument NAMES (Whom) (See lark help users:greet)'],
    ['jobs:work', [], 'USAGE', 'jobs:work takes its process for itself, and cannot run as a job'],
  ])('%s with %j fails at once, without retries', async (command, args, code, message) => {
    const { found, handle } = await ran(command, args)
    expect(found).toMatchObject({ state: 'failed', failures: 1, runs: 1, id: handle.id })
    expect(found.errors).toMatchObject([{ code, message }])
  })

  test('dispatchByKey refuses the key of commands and every other key of Lark', async () => {
    await using bench = await Bench.make(connect)
    for (const key of ['lark:command', 'lark:other'])
      await expect(bench.jobs.dispatchByKey(key, { command: 'users:greet' })).rejects.toMatchObject({
        code: 'UNKNOWN_JOB',
        message: `Jobs.dispatchByKey(): ${key} is not a job of the application`,
      })
    expect((await bench.jobs.list()).jobs).toEqual([])
  })

  test('a record of a command is imported if the caller allows commands, and fails at once without a command', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatchCommand('users:greet')
    const operating = operate(bench.jobs)
    const records: JobRecord[] = []
    await operating.remove([handle.id], { before: async (lot) => void records.push(...lot) })
    const wrong = records.map((record) => ({ ...record, payload: '{"comand":"users:greet"}' }))
    await expect(operating.import(wrong)).rejects.toMatchObject({
      code: 'IMPORT_INVALID',
      message: `The record of ${handle.id} cannot be imported: it runs a command of lark`,
    })
    expect((await bench.jobs.list()).jobs).toEqual([])
    expect(await operating.import(wrong, { commands: true })).toEqual({ imported: 1, existing: 0 })
    await (await bench.work([], { stopWhenEmpty: true })).done
    expect(await handle.find()).toMatchObject({
      state: 'failed',
      failures: 1,
      errors: [{ code: 'JOB_INVALID' }],
    })
  })

  test('a cancel and the timeout abort the signal of the command, and only the worker handles process signals', async () => {
    await using bench = await Bench.make(connect)
    await bench.work([])
    const before = process.listenerCount('SIGINT')
    const begun = signal<number>()
    here().begun = begun.resolve
    const cancelled = await bench.jobs.dispatchCommand('users:wait')
    expect(await begun.promise).toBe(before)
    await cancelled.cancel('not needed')
    await expect(cancelled.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', because: 'not needed' })
    expect((await cancelled.find())?.log.map(({ text }) => text)).toEqual(['stops'])
    here().begun = () => {}
    const late = await bench.jobs.dispatchCommand('users:wait', undefined, { timeout: 50, tries: 1 })
    await expect(late.result()).rejects.toMatchObject({
      code: 'JOB_FAILED',
      cause: { code: 'JOB_TIMED_OUT' },
    })
  })

  test('a command that closes its Jobs instance does not end the worker', async () => {
    await using bench = await Bench.make(connect)
    here().jobs = bench.jobs
    await bench.jobs.dispatchCommand('users:close')
    const report = new Record()
    const worker = await bench.work([], { stopWhenEmpty: true, report })
    expect(await worker.done).toMatchObject({ completed: 2, failed: 0 })
  })

  test('a person who edits the payload changes the arguments of the command, but not the command', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatchCommand('users:fail', { how: 'throw' })
    const other = bench.client()
    const refused = { code: 'COMMAND_NOT_EDITABLE', message: expect.stringContaining("to run 'users:greet'") }
    const greet = { command: 'users:greet', args: { names: 'Ada' } }
    for (const jobs of [bench.jobs, operate(other)])
      for (const which of [handle.id, { key: 'lark:command' }])
        for (const payload of [greet, () => greet, { ...greet, command: ['users:greet'] }, {}, 'users:greet'])
          await expect(jobs.edit(which, payload as never)).rejects.toMatchObject(
            payload === greet ? refused : { code: 'COMMAND_NOT_EDITABLE' },
          )
    await expect(handle.edit(greet as never)).rejects.toMatchObject(refused)
    expect((await handle.find())?.payload).toEqual({ command: 'users:fail', args: { how: 'throw' } })
    const mended = { command: 'users:fail', args: { how: '0' } }
    for (const edit of [mended, (payload: object) => ({ ...payload, ...mended })])
      expect(await operate(other).edit(handle.id, edit as never)).toEqual({ edited: 1, running: 0 })
    const worker = await bench.work([], { stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 1 })
  })

  test('make does not make command jobs, and the middleware of the application surrounds them', async () => {
    await using bench = await Bench.make(connect)
    const seen: string[] = []
    const jobs = bench.client({
      make: () => {
        throw new Error('unknown class')
      },
      middleware: [
        (job, next) => {
          seen.push(job.key)
          return next()
        },
      ],
    })
    await jobs.dispatchCommand('users:greet', { names: 'Ada' })
    const worker = await bench.work([], { stopWhenEmpty: true }, jobs)
    expect(await worker.done).toMatchObject({ completed: 1 })
    expect(seen).toEqual(['lark:command'])
  })

  test('an invalid command, argument or option is refused before any job is queued', async () => {
    await using bench = await Bench.make(connect)
    const refused = (...given: unknown[]) =>
      expect(
        (bench.jobs.dispatchCommand as (...given: unknown[]) => Promise<unknown>).apply(bench.jobs, given),
      ).rejects
    await refused('').toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining("the command is ''"),
    })
    await refused('a', 'b').toMatchObject({
      code: 'JOB_INVALID',
      message: `Jobs.dispatchCommand(): the input of a is 'b'; it must be an object, or a list of words, such as ['--limit=100']`,
    })
    await refused('a', [1]).toMatchObject({ code: 'JOB_INVALID' })
    await refused('a', {}, { tris: 1 }).toMatchObject({ hint: 'Did you mean tries?' })
    await refused('a', { at: 1n }).toSatisfy(
      (error) => LarkError.is(error) && error.code === 'PAYLOAD_NOT_JSON',
    )
  })
}
