/**
 * A real application in a temporary folder, with this package in its node_modules. Tests run the built
 * program in this application. The folders are removed at the end of each test file.
 */
import { execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const packageFolder = join(dirname(fileURLToPath(import.meta.url)), '..')
export const bin = join(packageFolder, 'dist/bin.js')
/** The version of this package. */
export const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
  version: string
}

const created: string[] = []
afterAll(() => {
  for (const folder of created.splice(0)) rmSync(folder, { recursive: true, force: true })
})

export interface Result {
  code: number | null
  stdout: string
  stderr: string
}

export class App {
  /** The path of the folder without symbolic links, as the program under test sees it. */
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'lark-test-')))

  constructor(files: Record<string, string> = {}) {
    created.push(this.folder)
    // This folder ends the project, so that Lark looks at no folder above.
    mkdirSync(join(this.folder, '.git'))
    this.write({ 'package.json': '{"name":"app"}', ...files })
    this.link('@s18i/lark', packageFolder)
  }

  write(files: Record<string, string>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true })
      writeFileSync(this.path(name), text)
    }
  }

  link(name: string, target: string): void {
    const link = this.path(`node_modules/${name}`)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(target, link)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  has(name: string): boolean {
    return existsSync(this.path(name))
  }

  /** Runs `lark` in the folder and waits until it ends. */
  lark(...words: string[]): Promise<Result> {
    return this.node([bin, ...words])
  }

  /** Runs Node in the folder and waits until it ends. */
  node(words: string[], options: SpawnOptions = {}): Promise<Result> {
    return finished(this.start(words, options))
  }

  start(words: string[], options: SpawnOptions = {}) {
    const { NO_COLOR, FORCE_COLOR, LARK_CONFIG, ...env } = process.env
    return spawn(process.execPath, words, { cwd: this.folder, ...options, env: { ...env, ...options.env } })
  }
}

export function finished(child: ReturnType<App['start']>): Promise<Result> {
  const result: Result = { code: null, stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    result.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    result.stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ ...result, code }))
  })
}

/** Returns the source of a command whose `handle()` has this body. */
export function command(className: string, key: string, body = 'return true', fields = ''): string {
  return `import { Command, arg, flag } from '@s18i/lark'
export class ${className} extends Command {
  key = '${key}'
  ${fields}
  async handle() { ${body} }
}
`
}

/** Packs this package as npm would, and unpacks it into the node_modules of an application. */
export function installPacked(app: App): void {
  const target = app.path('node_modules/@s18i/lark')
  rmSync(target, { recursive: true })
  mkdirSync(target, { recursive: true })
  const packed = execFileSync(
    'npm',
    ['pack', '--ignore-scripts', '--silent', '--pack-destination', app.folder],
    {
      cwd: packageFolder,
      encoding: 'utf8',
    },
  ).trim()
  execFileSync('tar', ['-xzf', app.path(packed), '--strip-components=1', '-C', target])
  const jiti = dirname(fileURLToPath(import.meta.resolve('jiti/package.json')))
  app.link('jiti', jiti)
}
