/** Tests the test kit `@s18i/lark/testing`. */
import { describe, expect, test } from 'vitest'
import { arg, Command, flag } from '../src/index.ts'
import { testCommand } from '../src/testing.ts'
import { App, command } from './app.ts'

class Purge extends Command {
  override readonly key = 'users:purge'
  limit = flag.number('How many', { default: 100, env: 'PURGE_LIMIT' })
  name = flag.string('Which')
  forgiving = flag.boolean('')
  how = arg.enum('How', ['ask', 'fail', 'bug', 'twice', 'wait'], { default: 'ask' })

  async handle() {
    this.signal.addEventListener('abort', () => this.line('aborted'))
    this.table(['ID', 'NAME'], [[1, this.name]])
    if (this.how === 'fail') return false
    if (this.how === 'bug') throw new TypeError('a bug')
    if (this.how === 'wait') {
      await new Promise((_, reject) =>
        this.signal.addEventListener('abort', () => reject(this.signal.reason)),
      )
    }
    const asked = this.confirm(`Delete ${this.limit} users?`)
    if (!(await (this.forgiving ? asked.catch(() => true) : asked))) return 3
    if (this.how === 'twice') await this.choose('Which?', ['all', 'some'])
    this.success(`Deleted ${this.limit} users`)
    return { deleted: this.limit, at: this.scheduledFor }
  }
}

describe('a run', () => {
  test('has the exit code, the output, the last table and the result', async () => {
    expect(await testCommand(Purge, { args: ['--limit', '5', '--name=Ann'], answers: ['yes'] })).toEqual({
      exitCode: 0,
      output: 'ID  NAME\n 1  Ann\n',
      errorOutput: '? Delete 5 users? [y/N] \n✓ Deleted 5 users\n',
      table: [{ ID: 1, NAME: 'Ann' }],
      json: { deleted: 5, at: undefined },
      questions: ['Delete 5 users?'],
    })
  })

  test('under --json has the last value that was printed, as JSON', async () => {
    const at = new Date(0)
    const args = ['--json', '--no-interaction']
    const run = await testCommand(Purge, { args, scheduledFor: at })
    expect(run).toMatchObject({ exitCode: 2, json: { error: { code: 'USAGE' } }, questions: [] })
    class Report extends Purge {
      override handle() {
        this.table(['A'], [[at]])
        return Promise.resolve({ deleted: 1, at: this.scheduledFor })
      }
    }
    const report = await testCommand(Report, { args, scheduledFor: at })
    expect(report.json).toEqual({ deleted: 1, at: at.toISOString() })
    expect(report.table).toEqual([{ A: at }])
    expect(report.output).toBe(`[{"A":"${at.toISOString()}"}]\n${JSON.stringify(report.json)}\n`)
  })

  test.each([
    [{ args: { how: 'fail' } }, { exitCode: 1, errorOutput: '' }],
    [{ args: { how: 'bug' } }, { exitCode: 1, error: new TypeError('a bug') }],
    [
      { args: { lmit: 1 } },
      { exitCode: 2, errorOutput: '✗ users:purge takes no "lmit"\n  Did you mean limit?\n' },
    ],
    [{ answers: [false] }, { exitCode: 3, questions: ['Delete 100 users?'] }],
    [
      { answers: [''], env: { PURGE_LIMIT: '7' } },
      { exitCode: 3, questions: ['Delete 7 users?'] },
    ],
    [{ args: ['-h'] }, { exitCode: 0, output: expect.stringContaining('Usage  lark users:purge') }],
    [{ args: { how: 'wait' }, signal: AbortSignal.abort(new Error('over')) }, { exitCode: 1 }],
    [{ args: ['-q'], answers: ['y'] }, { errorOutput: '? Delete 100 users? [y/N] \n' }],
  ])('%j', async (options, expected) => {
    expect(await testCommand(Purge, options)).toMatchObject(expected)
  })

  test.each([
    [{}, 'No answer is left for the question "Delete 100 users?"'],
    [{ args: { forgiving: true } }, 'No answer is left for the question "Delete 100 users?"'],
    [{ answers: ['perhaps'] }, `"perhaps" does not answer "Delete 100 users?": the answer is 'yes' or 'no'`],
    [{ args: ['twice'], answers: ['yes'] }, 'No answer is left for the question "Which?"'],
    [{ answers: ['yes', 'some'] }, '1 of the answers are left: the command asked less'],
  ])('%j fails', async (options, message) => {
    await expect(testCommand(Purge, options)).rejects.toMatchObject({ code: 'ANSWER_INVALID', message })
  })
})

test('many runs at the same time do not affect each other, and leave nothing in the process', async () => {
  const before = [process.exitCode, process.listenerCount('SIGINT'), process.env.PURGE_LIMIT]
  const globals = Object.getOwnPropertySymbols(globalThis).length
  const runs = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      testCommand(Purge, { env: { PURGE_LIMIT: String(n) }, answers: ['yes'] }),
    ),
  )
  expect(runs.map(({ json }) => json)).toEqual(runs.map((_, n) => ({ deleted: n, at: undefined })))
  expect(
    runs.every(({ output, errorOutput }, n) => !output.includes('✓') && errorOutput.includes(` ${n} `)),
  ).toBe(true)
  expect([process.exitCode, process.listenerCount('SIGINT'), process.env.PURGE_LIMIT]).toEqual(before)
  expect(Object.getOwnPropertySymbols(globalThis)).toHaveLength(globals)
})

test('a tested command may call another command', async () => {
  class Outer extends Command {
    override readonly key = 'outer'
    async handle() {
      return (await this.call('users:purge', { limit: 2 })).exitCode
    }
  }
  const run = await testCommand(Outer, { commands: [Purge], answers: ['no'] })
  expect(run).toMatchObject({ exitCode: 3, questions: ['Delete 2 users?'] })
})

describe('a key of the project', () => {
  const app = new App({
    'package.json': '{"type":"module"}',
    'commands/say.js': command(
      'Say',
      'say',
      'return { words: this.words, loud: this.loud }',
      "words = arg.strings(''); loud = flag.boolean('')",
    ),
  })
  const options = { cwd: app.folder }

  test.each([
    ['say a  b --loud', ['a', 'b'], true],
    [`say "a b" 'c "d"' e"f g"h ''`, ['a b', 'c "d"', 'ef gh', ''], false],
  ])('%s', async (line, words, loud) => {
    expect((await testCommand(line, options)).json).toEqual({ words, loud })
  })

  test('may be followed by more words, or by an object with the values', async () => {
    expect((await testCommand('say a', { ...options, args: ['b c'] })).json).toMatchObject({
      words: ['a', 'b c'],
    })
    expect((await testCommand('say', { ...options, args: { loud: true } })).json).toMatchObject({
      loud: true,
    })
    await expect(testCommand('say a', { ...options, args: { loud: true } })).rejects.toMatchObject({
      code: 'USAGE',
    })
    await expect(testCommand('say "a', options)).rejects.toThrow('A quote is open in "say \\"a"')
    await expect(testCommand('sya', options)).rejects.toMatchObject({ code: 'UNKNOWN_COMMAND' })
  })
})
