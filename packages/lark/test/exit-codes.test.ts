import { describe, expect, test } from 'vitest'
import { Command, type CommandResult, LarkError, MemoryConsole, run } from '../src/index.ts'

async function ending(handle: () => CommandResult | Promise<CommandResult>, ...words: string[]) {
  class Task extends Command {
    readonly key = 'task'
    handle() {
      return handle()
    }
  }
  const console = new MemoryConsole()
  const code = await run(['task', ...words], { commands: [Task], console })
  return { code, stdout: console.stdout, stderr: console.stderr }
}

test.each<[CommandResult, number]>([
  [true, 0],
  [undefined, 0],
  [{ any: 'object' }, 0],
  [false, 1],
  [0, 0],
  [3, 3],
  [255, 255],
  [256, 1],
  [-1, 1],
  [0.5, 1],
])('handle() returns %o: the exit code is %i, and nothing is printed', async (result, code) => {
  expect(await ending(() => result)).toEqual({ code, stdout: '', stderr: '' })
  expect(await ending(async () => result)).toEqual({ code, stdout: '', stderr: '' })
})

describe('a LarkError', () => {
  const thrown = () => {
    throw new LarkError('NO_SUCH_USER', 'No user is called ann', { hint: 'See lark users:list', exit: 4 })
  }

  test('is printed as one line with its hint, and sets the exit code', async () => {
    expect(await ending(thrown)).toEqual({
      code: 4,
      stdout: '',
      stderr: '✗ No user is called ann\n  See lark users:list\n',
    })
  })

  test('is printed as JSON to stdout under --json', async () => {
    const { code, stdout, stderr } = await ending(thrown, '--json')
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'NO_SUCH_USER', message: 'No user is called ann', hint: 'See lark users:list' },
    })
    expect({ code, stderr }).toEqual({ code: 4, stderr: '' })
  })
})

describe('any other error', () => {
  const thrown = async () => {
    throw new TypeError('x is not a function', { cause: new Error('the deeper reason') })
  }

  test('is printed with its stack and its cause, and the exit code is 1', async () => {
    const { code, stdout, stderr } = await ending(thrown)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^✗ TypeError: x is not a function\n\s+at .*exit-codes\.test\.ts/)
    expect(stderr).toContain('[cause]: Error: the deeper reason\n')
  })

  test('is printed under --json as JSON to stdout, and with its stack to stderr', async () => {
    const { code, stdout, stderr } = await ending(thrown, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'TypeError', message: 'x is not a function' } })
    expect(stderr).toContain('exit-codes.test.ts')
  })

  test('may be any thrown value', async () => {
    expect(
      await ending(() => {
        throw 'a word'
      }),
    ).toEqual({ code: 1, stdout: '', stderr: "✗ 'a word'\n" })
  })
})

test('an unknown key exits with 2 and suggests a command', async () => {
  const console = new MemoryConsole()
  class Task extends Command {
    readonly key = 'users:process'
    handle() {}
  }
  expect(await run(['users:porces'], { commands: [Task], console })).toBe(2)
  expect(console.stderr).toBe('✗ Unknown command "users:porces"\n  Did you mean users:process?\n')
})

test('a usage error is also printed as JSON under --json', async () => {
  const { code, stdout, stderr } = await ending(() => true, '--json', '--nope')
  expect(JSON.parse(stdout)).toEqual({
    error: { code: 'USAGE', message: 'Unknown flag --nope', hint: 'See lark help task' },
  })
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
})
