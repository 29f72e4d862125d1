/**
 * Checks the README files and docs/: every code block compiles, blocks marked `run` run, every `lark …` in a
 * shell block names an existing command and flags, and every link has a target. `markdown.ts` describes the
 * marks.
 *
 * A page is an application. Blocks with titles are files of this application. All other blocks may use,
 * without importing them, the exports of these files and of the packages, and names that the page leaves out
 * (`leftOut`).
 */
import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, posix, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadSettings } from '../packages/lark-jobs/src/config/config.ts'
import type { App, Result } from '../packages/lark-jobs/test/processes/app.ts'
import { anchorsOf, type Block, blocksOf } from './markdown.ts'
import { compile, makeApp, runScript } from './program.ts'
import { filesBelow, read, root } from './source.ts'

// js-yaml has no types of its own.
const { load } = createRequire(import.meta.url)('js-yaml') as { load: (text: string) => unknown }

/** Names that a page mentions but does not show, with TypeScript expressions for them. */
const leftOut: Record<string, Record<string, string>> = {
  'docs/creating-jobs.md': {
    send: 'async (mail: { to: string; subject: string }): Promise<void> => void mail',
    pauseOf: 'async (shop: string, attempt: number): Promise<number> => shop.length * attempt',
    isReady: 'async (reportId: number): Promise<boolean> => reportId > 0',
  },
  'docs/dispatch-errors.md': {
    SendEmailJob:
      'class SendEmailJob extends Job { async handle(payload: { to: string; subject: string }) {} }',
    keepForLater: 'async (error: Error): Promise<void> => {}',
    lookFor: 'async (id: string): Promise<void> => {}',
  },
  'docs/bullmq-nest.md': {
    app: "undefined as unknown as import('fastify').FastifyInstance & import('express').Express",
    yourUser:
      "(request: Request): { role: 'admin'; user: string } | undefined => (request.url ? { role: 'admin', user: 'ada' } : undefined)",
  },
  'docs/middleware.md': {
    isUnsubscribed: 'async (userId: number): Promise<boolean> => userId < 0',
    record: '(name: string, took: number): void => {}',
  },
  'docs/steps.md': {
    db: "undefined as unknown as import('drizzle-orm/node-postgres').NodePgDatabase",
    orders: 'undefined as any',
    readRows: 'async (after = 0) => ({ items: [{ id: after }], cursor: after < 9 ? after + 1 : undefined })',
    index: 'async (row: { id: number }): Promise<void> => void row',
    pay: 'async (options: { idempotencyKey: string }): Promise<{ id: string }> => ({ id: options.idempotencyKey })',
    refund: 'async (id: string, options: { idempotencyKey: string }): Promise<void> => void [id, options]',
    write: 'async (article: string): Promise<string> => article',
    mailEditor: 'async (draft: string, options: { idempotencyKey: string }): Promise<void> => void options',
    publish: 'async (draft: string): Promise<void> => void draft',
    token: "'token'",
    PublishJob: 'class PublishJob extends Job { async handle(payload: { article: string }) {} }',
    approved: "undefined as unknown as import('@s18i/lark-jobs').SignalKind<{ by: string }>",
    rejected: "undefined as unknown as import('@s18i/lark-jobs').SignalKind",
    book: 'async (part: string, trip: string, options: { idempotencyKey: string }) => ({ booking: part + trip })',
    giveBack:
      'async (part: string, trip: string, booking: string | undefined): Promise<void> => void [part, trip, booking]',
    totalOf: "async (order: string) => ({ amount: order.length, currency: 'EUR' })",
    beginTranscoding: 'async (video: string): Promise<string> => video',
    stateOf: "async (task: string): Promise<'busy' | 'done' | 'failed'> => (task ? 'done' : 'busy')",
    hasLeft: 'async (user: string): Promise<boolean> => user.length > 0',
    sendMail: 'async (user: string, mail: string): Promise<void> => void mail',
    importPage: 'async (file: string, from: string | null): Promise<string | null> => from',
    askModel:
      "async (talk: object[]) => ({ role: 'model', text: String(talk.length), calls: [] as { id: string; isRisky: boolean }[] })",
    useTool: 'async (call: { id: string }, options: { idempotencyKey: string }): Promise<string> => call.id',
  },
  'docs/transactions.md': {
    db: "undefined as unknown as import('drizzle-orm/node-postgres').NodePgDatabase",
    orders: 'undefined as any',
    client: "undefined as unknown as import('pg').Client",
    sql: "undefined as unknown as import('postgres').Sql",
    prisma:
      '{ $transaction: async (act: (tx: { order: { create: (row: object) => Promise<void> } }) => Promise<void>) => void act }',
    kysely: "undefined as unknown as import('kysely').Kysely<{ orders: { id: number } }>",
    connection: "undefined as unknown as import('mysql2/promise').Connection",
    manager: '{ query: async (sql: string, parameters: unknown[]): Promise<void> => void [sql, parameters] }',
  },
  'docs/results.md': { id: "'0VQ6n2Kx8aB1c'" },
  'docs/events.md': {
    readCursor: 'async (): Promise<string | undefined> => undefined',
    writeCursor: 'async (cursor: string): Promise<void> => {}',
    handled: 'async (event: { kind: string; id: string }): Promise<void> => {}',
    lookAtAllJobs: 'async (queue: string): Promise<void> => {}',
  },
  'docs/commands.md': { email: "'ada@example.com'" },
  'docs/testing.md': {
    fake: "undefined as unknown as import('@s18i/lark-jobs/testing').Fake",
    PublishJob: 'class PublishJob extends Job { async handle(payload: { article: string }) {} }',
    approved: "undefined as unknown as import('@s18i/lark-jobs').SignalKind<{ by: string }>",
    expect:
      '{ any: (of: object) => ({ asymmetricMatch: (other: unknown): boolean => other instanceof Object(of) }) }',
    mailer: '{ send: async (mail: object): Promise<void> => void mail }',
    FetchJob: 'class FetchJob extends Job { async handle() {} }',
    ResizeJob: 'class ResizeJob extends Job { async handle(payload: { width: number }) {} }',
    ImportRowJob: 'class ImportRowJob extends Job { async handle(payload: { row: number }) {} }',
    ImportJob:
      'class ImportJob extends Job { async handle(payload: { file: string }) { return { rows: 1 } } }',
  },
  'docs/errors.md': {
    SendEmailJob: 'class SendEmailJob extends Job { async handle(payload: { to: string }) {} }',
  },
}

// Pages that were one page once leave out the same names.
for (const page of ['retries', 'class-limits']) leftOut[`docs/${page}.md`] = leftOut['docs/creating-jobs.md']!
leftOut['docs/steps-in-transactions.md'] = {
  ...leftOut['docs/transactions.md'],
  ChargeJob: 'class ChargeJob extends Job { async handle(payload: { order: number }) {} }',
}
for (const page of ['child-jobs', 'step-recipes', 'steps-in-operation'])
  leftOut[`docs/${page}.md`] = leftOut['docs/steps.md']!

const shared: Record<string, string[]> = {
  '@s18i/lark': ['arg', 'Command', 'flag'],
  '@s18i/lark-jobs': ['createJobs', 'exponential', 'Job', 'Jobs'],
}

/** The packages that the pages use. An application adds the last package only to measure its store. */
const packages = ['lark', 'lark-jobs', 'lark-bullmq', 'lark-jobs-bench', 'lark-dashboard']

/** Other packages that the pages use, from the `node_modules` of the workspace. */
const libraries = ['zod', 'libsql', '@opentelemetry', 'nodemailer', 'smtp-server', 'sharp'].concat([
  '@types/nodemailer',
  '@types/smtp-server',
])

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'bench/README.md',
  'bench/chaos-runs.md',
  ...filesBelow('packages', 'README.md')
    .filter((path) => !path.includes('node_modules'))
    .map((path) => `packages/${path}`),
  ...filesBelow('docs', '.md').map((path) => `docs/${path}`),
]

/** The most words of a guide. Nobody reads a reference from its beginning to its end, so it may be longer. */
const WORDS = 2_500
const references = ['architecture', 'bullmq-names', 'command-reference', 'errors']
const isReference = (page: string) =>
  page.startsWith('docs/decisions/') || references.some((name) => page === `docs/${name}.md`)

const code = ({ language }: Block) => ['ts', 'js'].includes(language)
const isConfig = ({ text }: Block) => text.startsWith('// lark.config.')
/** Each configuration has its own folder, because the name of its file is fixed. */
const configOf = ({ line, text }: Block) => `config-${line}/${/^\/\/ (lark\.config\.\w+)/.exec(text)![1]!}`
const fileOf = (block: Block) => block.title ?? `line-${block.line}.${block.language}`

describe.each(pages)('%s', (page) => {
  const markdown = read(page)
  const blocks = blocksOf(markdown)
  const { snippets, configs } = codeOf(page)
  let app: App
  beforeAll(async () => {
    app = await appOf(sourcesOf(page))
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  if (snippets.length + configs.length > 0) {
    it('compiles', async () => {
      expect(await errorsOf(page)).toEqual([])
    })
  }

  const running = snippets.filter(({ run }) => run)
  if (running.length > 0) {
    let together: Promise<Result[]> | undefined
    const resultOf = async (block: Block, i: number): Promise<Result> => {
      if (running.length === 1) return await runScript(app, fileOf(block))
      together ??= runTogether(app, running)
      return (await together)[i]!
    }
    it.each(running.map((block, i) => [block.line, block, i] as const))(
      'runs the block on line %i',
      async (_, block, i) => {
        const { code, stdout, stderr } = await resultOf(block, i)
        expect(code, stdout + stderr).toBe(0)
        const printed = [...block.text.matchAll(/^\s*console\.log\(.*\) \/\/ (.*)$/gm)].map(
          (match) => match[1]!,
        )
        if (printed.length > 0) expect(stdout.trimEnd().split('\n')).toEqual(printed)
      },
    )
  }

  if (page.startsWith('docs/examples')) {
    it('has only short programs, and they run', () => {
      expect(blocks.filter(({ run }) => !run)).toEqual([])
      expect(blocks.filter(({ text }) => text.trimEnd().split('\n').length > 15)).toEqual([])
    })
  }

  if (configs.length > 0) {
    it.each(configs.map((block) => [block.line, block] as const))(
      'has a valid configuration on line %i',
      async (_, block) => {
        const cwd = join(app.folder, dirname(configOf(block)))
        expect((await loadSettings({ cwd, entry: '', env: {} })).queues).toContain('default')
      },
    )
  }

  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => larkCommands(text))
  const mentioned = [...markdown.matchAll(/`lark ((?:[a-z]+:)?[a-z]+(?: [^`]+)?)`/g)].map(
    (match) => match[1]!,
  )
  if (commands.length + mentioned.length > 0) {
    it('names commands and flags that exist', async () => {
      const hasOwn = snippets.some(({ title }) => title?.includes('commands/'))
      const list = hasOwn ? await listedIn(app) : await listedInMost(app)
      expect([...commands, ...mentioned].flatMap((command) => wrongIn(command, list))).toEqual([])
    })
  }

  it('has links with targets', () => {
    const links = [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!)
    expect(links.filter((link) => !leadsSomewhere(link, page))).toEqual([])
  })

  if (page.startsWith('docs/')) {
    if (!isReference(page)) {
      it(`has at most ${WORDS} words, because a guide answers one question`, () => {
        expect(markdown.split(/\s+/).length).toBeLessThanOrEqual(WORDS)
      })
    }

    it('has the front matter of the first page', () => {
      expect(markdown).toMatch(
        /^---\n(?:sidebar_position: 3\n)?title: (.+)\ndescription: .+\nkeywords: \[.+\]\n---\n\n# \1\n/,
      )
      expect(load(markdown.split('---\n')[1]!)).toMatchObject({ title: expect.any(String) })
    })
  }
})

function codeOf(page: string) {
  const blocks = blocksOf(read(page)).filter(code)
  return { snippets: blocks.filter((block) => !isConfig(block)), configs: blocks.filter(isConfig) }
}

/** The source files of a page, which is treated as one application. */
function sourcesOf(page: string): Record<string, string> {
  const { snippets, configs } = codeOf(page)
  return {
    'lark.config.ts': config,
    ...filesOf(page, snippets),
    ...Object.fromEntries(configs.map((block) => [configOf(block), block.text])),
  }
}

async function appOf(files: Record<string, string>): Promise<App> {
  const dependencies = Object.fromEntries(packages.map((name) => [`@s18i/${name}`, '*']))
  const manifest = JSON.stringify({ name: 'app', type: 'module', dependencies })
  const app = await makeApp({ 'package.json': manifest, ...files })
  for (const name of packages.slice(2))
    await symlink(join(root, 'packages', name), join(app.folder, 'node_modules/@s18i', name))
  for (const name of libraries)
    await symlink(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
  return app
}

const folderOf = (page: string) => `${page.slice(0, -'.md'.length)}/`
let compiled: Promise<string[]> | undefined

/**
 * Returns the errors of the compiler in the code of a page, or outside of all pages. All pages are compiled
 * at once, which takes hardly longer than one page.
 */
async function errorsOf(page: string): Promise<string[]> {
  compiled ??= compileAll()
  const others = pages.filter((other) => other !== page).map(folderOf)
  return (await compiled).filter((error) => !others.some((folder) => error.startsWith(folder)))
}

async function compileAll(): Promise<string[]> {
  const files = pages.flatMap((page) =>
    Object.entries(sourcesOf(page)).map(([path, text]) => [folderOf(page) + path, text] as const),
  )
  await using app = await appOf(Object.fromEntries(files))
  const said = await compile(app)
  // A line that begins with a space belongs to the error above it.
  return said.split(/^(?=\S)/m).filter((error) => error !== '')
}

/**
 * Returns the output of each program of a page. The programs run one after the other in one process, because
 * each process takes a third of a second of CPU. The exit code, and the report of a test runner, are those of
 * the last program.
 */
async function runTogether(app: App, programs: Block[]): Promise<Result[]> {
  const lines = programs.map((block) => {
    const threw = `(error) => { console.log(error, '${threwMark}') }`
    return `console.log('${nextMark}')\nawait import('./${fileOf(block)}').catch(${threw})\n`
  })
  await app.write({ 'programs.ts': lines.join('') })
  const result = await runScript(app, 'programs.ts')
  const [, ...printed] = result.stdout.split(`${nextMark}\n`)
  return programs.map((_, i) => {
    const stdout = printed[i] ?? threwMark
    const code = i < printed.length - 1 ? 0 : result.code
    return { ...result, stdout, code: stdout.includes(threwMark) ? 1 : code }
  })
}

const [nextMark, threwMark] = ['<next program>', '<threw>']

async function listedIn(app: App): Promise<Listed[]> {
  return JSON.parse((await app.run('list', '--json')).stdout)
}

let listed: Promise<Listed[]> | undefined

/** The commands of an application without commands of its own, as on most pages. */
function listedInMost(app: App): Promise<Listed[]> {
  listed ??= listedIn(app)
  return listed
}

/** A configuration with all queues that the pages name, unless the page has a file `lark.config.ts`. */
const config = `import { defineConfig } from '@s18i/lark-jobs'
export default defineConfig({ jobs: { queues: ['default', 'high-priority', 'critical', 'emails', 'low-priority'] } })`

function filesOf(page: string, snippets: Block[]): Record<string, string> {
  const named = leftOut[page] ?? {}
  const known = new Map<string, string>()
  for (const [from, names] of Object.entries(shared)) for (const name of names) known.set(name, from)
  for (const name of Object.keys(named)) known.set(name, 'leftOut')
  for (const { title, text } of snippets) {
    if (title === undefined) continue
    for (const [, name] of text.matchAll(/^export class (\w+)/gm))
      known.set(name!, title.replace(/\.ts$/, ''))
  }
  const declared = Object.entries(named).map(([name, value]) => `export const ${name} = ${value}`)
  const files = snippets.map((block) => [fileOf(block), withImports(block, known)])
  return {
    ...Object.fromEntries(files),
    'leftOut.ts': withImports({ title: 'leftOut.ts', text: declared.join('\n') }, known),
  }
}

/** Adds imports of the known names that the text uses without importing or declaring them. */
function withImports(
  { title = '', text }: Pick<Block, 'title' | 'text'>,
  known: Map<string, string>,
): string {
  const code = text.replace(/\/\/.*$/gm, '').replace(/'[^'\n]*'/g, "''")
  const imports = [...known].flatMap(([name, from]) => {
    const isOwn = new RegExp(`import [^;]*\\b${name}\\b[^;]*? from|(?:class|const) ${name}\\b`).test(code)
    if (isOwn || !new RegExp(`(?<![.\\w])${name}\\b(?!:)`).test(code)) return []
    const path = from.startsWith('@') ? from : `./${relative(dirname(title) || '.', from)}`
    return [`import { ${name} } from '${path}'`]
  })
  return `${[...imports, text].join('\n')}\nexport {}\n`
}

interface Listed {
  key: string
  flags: { name: string; short?: string; type: string }[]
}

/** The words after `lark`, `npx lark` or `node_modules/.bin/lark` in each line that contains one of these. */
function larkCommands(shell: string): string[] {
  return [
    ...shell.matchAll(/^(?:[A-Z_]+=\S+ )?(?:npx |node_modules\/\.bin\/)?lark(?: (.*?))?(?:\s+#.*)?$/gm),
  ].map((match) => match[1] ?? '')
}

/** The errors in a command line: an unknown key or flag. */
function wrongIn(line: string, list: Listed[]): string[] {
  const [key = 'list', ...words] = line.split(/\s+/).filter(Boolean)
  if (key === 'KEY' || key.startsWith('-')) return []
  const command = list.find((each) => each.key === key)
  if (command === undefined) return list.some((each) => each.key.startsWith(`${key}:`)) ? [] : [`lark ${key}`]
  const flags = [
    '--help',
    '--json',
    '--quiet',
    '--verbose',
    '--no-interaction',
    '--no-color',
    '-h',
    '-q',
    '-v',
    ...command.flags.flatMap(namesOf),
  ]
  return words.filter((word) => /^-./.test(word) && !flags.includes(word.split('=', 1)[0]!))
}

function namesOf({ name, short, type }: Listed['flags'][number]): string[] {
  return [name, ...(short ? [`-${short}`] : []), ...(type === 'boolean' ? [name.replace('--', '--no-')] : [])]
}

/**
 * Whether a link has a target. Links to other pages are relative, because people also read the pages on
 * GitHub. A link that is not relative must lead to a page of the web.
 */
function leadsSomewhere(link: string, page: string): boolean {
  if (link.startsWith('https://')) return true
  const [path = '', anchor] = link.split('#')
  const file = path === '' ? page : posix.join(posix.dirname(page), path)
  if (!existsSync(join(root, file))) return false
  return anchor === undefined || anchorsOf(read(file)).includes(anchor)
}
