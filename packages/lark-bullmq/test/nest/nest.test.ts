/**
 * Runs one application of Nest on BullMQ and on Lark. On Lark it uses `@s18i/lark-bullmq/nest`, or
 * `@nestjs/bullmq` with this package as `bullmq`. Nest 11 is a package of the repository, and Nest 12 is
 * installed when a test first needs it.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { nest12 } from './nest-12.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const root = path('../../../../')
const { hostname: host, port } = new URL(inject('redisUrl'))
const text = readFileSync(path('application.ts'), 'utf8')

/** The imports of the application, and the package behind the name `bullmq`. */
const ways = {
  'bullmq and @nestjs/bullmq': { isLark: false, isAlias: false },
  '@s18i/lark-bullmq and @s18i/lark-bullmq/nest': { isLark: true, isAlias: false },
  '@nestjs/bullmq over an alias': { isLark: false, isAlias: true },
} as const

const expected = [
  'boot mail',
  'processors plain 7',
  'queue completed {"sent":"ada@example.com","host":true,"children":[]}',
  'queue completed {"sent":"both","host":true,"children":[{"width":1,"isOwn":true}]}',
  'worker completed both {"sent":"both","host":true,"children":[{"width":1,"isOwn":true}]} of ',
  'worker completed welcome {"sent":"ada@example.com","host":true,"children":[]} of 2',
  'worker failed wrong no such address, concurrency 3',
]

describe.each([
  ['11', () => join(root, 'node_modules')],
  ['12', nest12],
])('Nest %s', (version, modulesOf) => {
  let folder: string
  let modules: string

  beforeAll(() => {
    modules = modulesOf()
    folder = mkdtempSync(join(tmpdir(), `lark-nest-${version}-`))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Makes a separate project, so that every package uses the Nest of this version. */
  async function project(name: string, { isLark, isAlias }: { isLark: boolean; isAlias: boolean }) {
    const own = join(folder, name.replaceAll(/\W+/g, '-'))
    const place = (to: string, from: string, isCopied = false) => {
      const target = join(own, 'node_modules', to)
      mkdirSync(dirname(target), { recursive: true })
      if (isCopied) cpSync(from, target, { recursive: true })
      else symlinkSync(from, target, 'junction')
    }
    for (const each of ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs', 'tslib'])
      place(each, join(modules, each))
    for (const each of ['@nestjs/bullmq', '@nestjs/bull-shared']) place(each, join(modules, each), true)
    for (const each of ['lark', 'lark-jobs']) place(`@s18i/${each}`, join(root, 'packages', each))
    const ours = join(root, 'packages/lark-bullmq')
    for (const each of ['package.json', 'dist']) place(`@s18i/lark-bullmq/${each}`, join(ours, each), true)
    place('bullmq', isAlias ? join(own, 'node_modules/@s18i/lark-bullmq') : join(modules, 'bullmq'))
    const imports = isLark
      ? text
          .replace("'@nestjs/bullmq'", "'@s18i/lark-bullmq/nest'")
          .replace("'bullmq'", "'@s18i/lark-bullmq'")
      : text
    const source = join(own, 'application.ts')
    writeFileSync(source, imports)
    const bundle = await rolldown({
      input: source,
      platform: 'node',
      external: (id) => !/^[./\0]|^@oxc-project/.test(id),
      transform: { decorator: { legacy: true, emitDecoratorMetadata: true } },
    })
    const file = join(own, 'application.mjs')
    await bundle.write({ file })
    await bundle.close()
    return file
  }

  /** Runs the application until its process ends by itself. */
  async function run(file: string, manual: boolean): Promise<string[]> {
    const prefix = `nest-${Math.random().toString(36).slice(2)}`
    const child = spawn(process.execPath, [file], {
      cwd: dirname(file),
      timeout: 25_000,
      killSignal: 'SIGKILL',
      env: {
        ...process.env,
        APPLICATION: JSON.stringify({ host, port: Number(port), prefix, manual }),
        NODE_ENV: 'production',
      },
    })
    let said = ''
    let errors = ''
    child.stdout.on('data', (part) => (said += part))
    child.stderr.on('data', (part) => (errors += part))
    const code = await new Promise((resolve) => child.on('close', resolve))
    // The server of the tests saves nothing, and Lark says so.
    const wrong = errors.split('\n').filter((line) => !line.startsWith('! '))
    expect({ code, wrong }).toEqual({ code: 0, wrong: [''] })
    return JSON.parse(said.trim())
  }

  test.each(Object.entries(ways))('%s', async (name, way) => {
    const file = await project(name, way)
    expect(await run(file, false)).toEqual(expected.map((line) => expect.stringContaining(line)))
    const manually = ['before register() "Worker" has not yet been initialized', ...expected.slice(1)]
    expect(await run(file, true)).toEqual(manually.map((line) => expect.stringContaining(line)))
  })
})
