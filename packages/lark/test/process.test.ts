import { expect, test } from 'vitest'
import { App, bin, command, finished } from './app.ts'

const app = new App({
  'package.json': '{"type":"module"}',
  'commands/many.js': command('Many', 'many', 'for (let n = 0; n < 100_000; n++) this.line(String(n))'),
  'commands/late.js': command('Late', 'late', "setTimeout(() => this.line('late'), 20); return 3"),
  'commands/forget.js': command('Forget', 'forget', 'await new Promise(() => {})'),
  'commands/wait.js': command(
    'Wait',
    'wait',
    `const { signal } = this
    this.line('ready')
    const alive = setInterval(() => {}, 1000)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    this.line('ending: ' + signal.reason.message)
    if (this.stubborn) await new Promise(() => {})
    clearInterval(alive)
    if (this.fails) signal.throwIfAborted()
    return 5`,
    "stubborn = flag.boolean(''); fails = flag.boolean('')",
  ),
  'commands/plain.js': command(
    'Plain',
    'plain',
    "this.line('ready'); await new Promise(() => setInterval(() => {}, 1000))",
  ),
})

/** Starts a command, waits until it prints that it works, and returns the running process. */
async function running(words: string[]) {
  const child = app.start([bin, ...words])
  const result = finished(child)
  const said = (word: string) =>
    new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk) => String(chunk).includes(word) && resolve())
    })
  await said('ready')
  return { child, result, said }
}

test('lark does not exit before pending work of handle() is done', async () => {
  expect(await app.lark('late')).toEqual({ code: 3, stdout: 'late\n', stderr: '' })
})

test('if handle() never settles, the exit code is not 0', async () => {
  expect((await app.lark('forget')).code).not.toBe(0)
})

test('a pipe gets the whole output', async () => {
  const { code, stdout } = await app.lark('many')
  expect(code).toBe(0)
  expect(stdout.split('\n')).toHaveLength(100_001)
  expect(stdout.endsWith('99999\n')).toBe(true)
})

test('a reader that ends early (| head) causes no error', async () => {
  const child = app.start([bin, 'many'])
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdout?.once('data', () => child.stdout?.destroy())
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  'the first %s aborts the signal, and handle() decides how the command ends',
  async (name) => {
    const { child, result } = await running(['wait'])
    child.kill(name)
    expect(await result).toEqual({ code: 5, stdout: `ready\nending: Interrupted by ${name}\n`, stderr: '' })
  },
)

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('the second %s ends the process at once with %i', async (name, code) => {
  const { child, result, said } = await running(['wait', '--stubborn'])
  const ending = said('ending')
  child.kill(name)
  await ending
  child.kill(name)
  expect((await result).code).toBe(code)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  'a handle() that throws the reason of the signal: %s exits with %i, without a stack',
  async (name, code) => {
    const { child, result } = await running(['wait', '--fails'])
    child.kill(name)
    expect(await result).toMatchObject({ code, stderr: '! Interrupted\n' })
  },
)

test('SIGINT and SIGTERM end a command that never reads its signal', async () => {
  const { child, result } = await running(['plain'])
  child.kill('SIGINT')
  expect((await result).code).toBe(null)
  expect(child.signalCode).toBe('SIGINT')
})

test('a pipe gets no colours, unless FORCE_COLOR is set', async () => {
  const { stdout } = await app.node([bin, 'list'], { env: { FORCE_COLOR: '1' } })
  expect(stdout).toContain('\u001b[1mUsage\u001b[22m')
  expect((await app.lark('list')).stdout).not.toContain('\u001b')
  const plain = await app.node([bin, 'list', '--no-color'], { env: { FORCE_COLOR: '1' } })
  expect(plain.stdout).not.toContain('\u001b')
})

test('under node --watch with an empty cache, messages of Node on the IPC channel are ignored', async () => {
  const watched = new App({
    'package.json': '{"type":"module"}',
    'commands/ready.js': command('Ready', 'ready', "this.line('ready')"),
  })
  const child = watched.start(['--watch', bin, 'ready'])
  const printed = finished(child)
  await new Promise<void>((resolve) => {
    // Node prints one of these lines when the program has ended.
    child.stdout?.on('data', (chunk) => /(Completed|Failed) running/.test(String(chunk)) && resolve())
  })
  child.kill('SIGTERM')
  const { stdout, stderr } = await printed
  expect(stderr).toBe('')
  expect(stdout).toContain('ready\n')
})

test('a command file may send IPC messages of the process that imports it', async () => {
  const talking = new App({
    'package.json': '{"type":"module"}',
    'commands/talk.js': `process.send?.({ path: 7 }); process.send?.(null); process.send?.('text')\n${command('Talk', 'talk', "this.line('said')")}`,
  })
  expect(await talking.lark('talk')).toEqual({ code: 0, stdout: 'said\n', stderr: '' })
})
