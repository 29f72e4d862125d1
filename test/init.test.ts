/** `lark init` with the queue: from a folder to a job that ran, in every language and module format. */
import { testCommand } from '@s18i/lark/testing'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { App } from '../packages/lark-jobs/test/processes/app.ts'
import { blocksOf } from './markdown.ts'
import { compile, makeApp } from './program.ts'
import { read } from './source.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*' }

const documented = Object.fromEntries(
  blocksOf(read('README.md')).flatMap(({ title, text }) =>
    title?.startsWith('src/') ? [[title, text]] : [],
  ),
)

/**
 * The projects: the files that each project has before, and the import of the job that the generated command
 * must have.
 */
const projects: [string, Record<string, string>, string, string][] = [
  ['nothing but packages', {}, 'src/commands/Welcome.ts', "from '../jobs/SendEmailJob'"],
  [
    'an Express application in TypeScript, compiled to CommonJS',
    {
      'package.json': JSON.stringify({ name: 'shop', scripts: { work: 'true' }, dependencies }, null, 4),
      'tsconfig.json':
        '{\n  // as of tsc --init\n  "compilerOptions": { "module": "commonjs", "strict": true }\n}',
      'src/server.ts': "import express from 'express'\nexpress().listen(3000)\n",
    },
    'src/commands/Welcome.ts',
    "from '../jobs/SendEmailJob'",
  ],
  [
    'an application in CommonJS',
    {
      'package.json': JSON.stringify({ name: 'shop', main: 'index.js', dependencies }),
      'index.js': "require('node:http').createServer()\n",
    },
    'commands/Welcome.js',
    "require('../jobs/SendEmailJob')",
  ],
  [
    'an application of ES modules, such as with Next',
    {
      'package.json': JSON.stringify({ name: 'shop', type: 'module', dependencies }, null, '\t'),
      'next.config.mjs': 'export default {}\n',
      'src/app/page.jsx': 'export default () => <p>Hello</p>\n',
    },
    'src/commands/Welcome.js',
    "from '../jobs/SendEmailJob.js'",
  ],
]

test.each(projects)(
  'after lark init in a project %s, the job runs',
  { timeout: 120_000 },
  async (name, files, command, imported) => {
    await using app = await App.make({
      'package.json': `${JSON.stringify({ dependencies }, null, 2)}\n`,
      ...files,
    })
    const { code, stdout, stderr } = await app.run('init')
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Next:') })
    expect(stdout).toMatch(/^new +\S*jobs\/SendEmailJob\.[jt]s$/m)
    expect(await app.read(command)).toContain(imported)
    if (name === projects[0]![0]) {
      // The generated files are the first job of README.md.
      const written = Object.keys(documented).map(async (path) => [path, await app.read(path)] as const)
      expect(Object.fromEntries(await Promise.all(written))).toEqual(documented)
    }
    const next = stderr.slice(stderr.indexOf('Next:')).match(/(?<=npx lark ).*/g)
    expect(next).toEqual(['welcome ada@example.com', 'jobs:work'])
    expect(await app.run(...next![0]!.split(' '))).toMatchObject({
      code: 0,
      stderr: '✓ Queued a welcome to ada@example.com\n',
    })
    const worked = await app.run(next![1]!, '--stop-when-empty')
    expect(worked.stderr).toContain('Sending "Welcome!" to ada@example.com')
    expect(worked.stdout).toMatch(/^1 completed/m)
  },
)

test('the generated files compile with the strictest options of the compiler', async () => {
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noImplicitOverride: true,
    exactOptionalPropertyTypes: true,
    verbatimModuleSyntax: true,
    noEmit: true,
  }
  await using app = await makeApp({ 'tsconfig.json': JSON.stringify({ compilerOptions }) })
  expect((await testCommand('init', { cwd: app.folder })).exitCode).toBe(0)
  expect(await app.read('src/commands/Welcome.ts')).toContain("from '../jobs/SendEmailJob.js'")
  expect(await app.read('src/jobs/SendEmailJob.ts')).toContain('  override tries = 5')
  expect(await compile(app, '.')).toBe('')
})

describe('lark init with a server in the environment', () => {
  test.each([
    [{}, 'until the variable REDIS_URL names a server', undefined],
    [{ REDIS_URL: 'redis://:secret@cache' }, 'where the variable REDIS_URL says', undefined],
    [{ VALKEY_URL: 'valkey://:secret@cache' }, 'where the variable VALKEY_URL says', 'VALKEY_URL'],
    [{ VALKEY_URL: 'valkey://cache', LARK_JOBS_URL: 'sqlite:x' }, 'variable LARK_JOBS_URL says', undefined],
  ])('%j', async (env, note, connection) => {
    await using app = await App.make({ 'index.js': '' })
    for (const name of ['REDIS_URL', 'LARK_JOBS_URL', 'VALKEY_URL', 'REDISCLOUD_URL', 'REDIS_TLS_URL'])
      vi.stubEnv(name, undefined)
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    const { errorOutput, json } = await testCommand('init --dry-run --json', { cwd: app.folder })
    expect(errorOutput).toContain(note)
    const { files } = json as { files: { path: string; text?: string }[] }
    const text = files.find(({ path }) => path === 'lark.config.js')?.text
    expect(/process\.env\.(\w+)/.exec(text ?? '')?.[1]).toBe(connection)
    expect(text + errorOutput).not.toContain('secret')
  })
})
