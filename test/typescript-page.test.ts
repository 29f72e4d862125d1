/**
 * Compiles the files of docs/typescript.md with the application of docs/introduction.md and the packed
 * packages.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { blocksOf } from './markdown.ts'
import { compile, installPacked, lark, makeApp, packInto } from './program.ts'
import { read } from './source.ts'

const titled = (page: string) => blocksOf(read(page)).filter(({ title }) => title !== undefined)
const sources = Object.fromEntries(titled('docs/introduction.md').map(({ title, text }) => [title!, text]))
const [checked, compiled] = titled('docs/typescript.md')
  .filter(({ language }) => language === 'json')
  .map(({ text }) => text)

const packs = mkdtempSync(join(tmpdir(), 'lark-packs-'))
let tarballs: string[]
beforeAll(() => {
  tarballs = packInto(packs)
})
afterAll(() => rmSync(packs, { recursive: true }))

const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*' }

/** Makes a project with the package.json of `npm init`. */
async function install(type: string, files: Record<string, string>) {
  const app = await makeApp({ 'package.json': JSON.stringify({ name: 'app', type, dependencies }), ...files })
  await installPacked(app, tarballs)
  return app
}

it('each entry of the packages compiles with skipLibCheck off', async () => {
  const entries = ['-jobs', '-jobs/operate', '-jobs/testing', '-jobs/internal', '-jobs/otel', '-bullmq']
  const source = entries.map((entry, n) => `export * as entry${n} from '@s18i/lark${entry}'`).join('\n')
  const compilerOptions = {
    ...{ target: 'es2022', lib: ['es2023', 'esnext.disposable'], types: ['node'], module: 'nodenext' },
    ...{ strict: true, noEmit: true, skipLibCheck: false },
  }
  const tsconfig = JSON.stringify({ compilerOptions, include: ['src'] })
  await using app = await install('module', { 'src/entries.ts': source, 'tsconfig.json': tsconfig })
  expect(await compile(app)).toBe('')
})

it('a project without the types of Node and browsers compiles with skipLibCheck off', async () => {
  const source = `
    import { Job, Jobs } from '@s18i/lark-jobs'
    export class WaitJob extends Job {
      key = 'wait'
      async handle({ ms }: { ms: number }): Promise<number> {
        this.signal.throwIfAborted()
        return this.signal.aborted ? 0 : ms
      }
    }
    export const queued: Promise<boolean> = new WaitJob().dispatch({ ms: 5 })
    export const done: Promise<void> = Jobs.flush()
  `
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2022'],
    types: [],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  }
  const tsconfig = JSON.stringify({ compilerOptions, include: ['src'] })
  await using app = await install('module', { 'src/WaitJob.ts': source, 'tsconfig.json': tsconfig })
  expect(await compile(app)).toBe('')
})

it.each(['commonjs', 'module'])('a project of type %s can be only type-checked', async (type) => {
  await using app = await install(type, { ...sources, 'tsconfig.json': checked! })
  expect(await compile(app)).toBe('')
})

it.each(['commonjs', 'module'])(
  'a project of type %s that is compiled runs without its sources',
  async (type) => {
    const withJs = Object.entries(sources).map(([file, text]) => [
      file,
      text.replaceAll(/from '(\.[^']+)'/g, "from '$1.js'"),
    ])
    await using app = await install(type, { ...Object.fromEntries(withJs), 'tsconfig.json': compiled! })
    expect(await compile(app)).toBe('')
    await rm(join(app.folder, 'src'), { recursive: true })
    expect(await lark(app, 'welcome', 'user@example.com')).toMatchObject({
      code: 0,
      stderr: '✓ Queued a welcome to user@example.com\n',
    })
  },
)
