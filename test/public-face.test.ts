/**
 * Tests what users of the built packages see in their editor: the suggestions after a dot, the parameters of
 * calls, and types, which must all be importable. Also tests that two copies of a package work together.
 */
import { readFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createJobs, Job, Jobs } from '@s18i/lark-jobs'
import { type Node, SyntaxKind } from 'typescript/unstable/ast'
import { API, type Checker, type Symbol as Declared, SymbolFlags } from 'typescript/unstable/sync'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generationOf } from '../packages/lark-jobs/src/model/copies.ts'
import type { App } from '../packages/lark-jobs/test/processes/app.ts'
import { makeApp } from './program.ts'

const entries = [
  '@s18i/lark',
  '@s18i/lark/config',
  '@s18i/lark-jobs',
  '@s18i/lark-jobs/operate',
  '@s18i/lark/testing',
  '@s18i/lark-jobs/otel',
  '@s18i/lark-jobs/testing',
  '@s18i/lark-dashboard',
  '@s18i/lark-bullmq',
  '@s18i/lark-bullmq/nest',
]

/** The text that a user types. A number in a comment marks a place at which the editor is asked. */
const text = `import { Job, Jobs, type JobsError } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
${entries.map((name, i) => `import * as entry${i} from '${name}'`).join('\n')}
export class SendJob extends Job { handle(payload: { to: string }) { return this./*1*/id } }
const job = new SendJob()
Jobs./*2*/close
job./*3*/id
const draft = job.with({ to: 'a' })
draft./*6*/dispatch
Jobs.handle(SendJob, 'id')./*7*/id
operate()./*4*/status
Jobs.schedules./*8*/list
operate().schedules./*9*/list
export const told = ({ /*5*/ }: JobsError) => [job.failed, job.cancelled, job.retryIf]
export const all = [${entries.map((_, i) => `entry${i}`)}]
`

let app: App
let api: API
let checker: Checker
let file: string

beforeAll(async () => {
  app = await makeApp({ 'app.ts': text })
  file = join(app.folder, 'app.ts')
  const project = join(app.folder, 'tsconfig.json')
  api = new API({ cwd: app.folder })
  checker = api.updateSnapshot({ openProject: project }).getProject(project)!.checker
})

afterAll(async () => {
  api.close()
  await app[Symbol.asyncDispose]()
})

/** The suggestions of the editor at a mark, in alphabetical order. */
function suggested(mark: number): string {
  const { entries = [] } = checker.getCompletionsAtPosition(file, text.indexOf(`/*${mark}*/`) + 5) ?? {}
  // TypeScript suggests `Symbol` if a member is named by a well-known symbol.
  const names = entries.map(({ name }) => name.replace('?', '')).filter((name) => name !== 'Symbol')
  return names.sort((one, other) => one.localeCompare(other)).join(' ')
}

const ofJob =
  'aliases approval attempt backoff cancelled delay dispatch dispatchMany dispatchNow eachItem error expiresIn fail failed flow group handle id ids info isolate keep keepResult key limiter maxCrashes middleware pauseGroup pauseQueue priority progress queueName rejection release retryIf retryUntil runJob schedule scheduledFor signal sleep step stepIn success tags timeout tries unique waitFor warn with'

test.each([
  [
    'Jobs',
    2,
    'approval approvalPage cancel close configure dispatch dispatchByKey dispatchCommand dispatchMany dispatchNow edit events failed find flow flows flush handle joinTransactions list move pause prioritize purge redeem remove reschedule resume retry runNow schedules status tag transaction untag work',
  ],
  ['a job', 3, ofJob],
  ['this in handle', 1, ofJob],
  [
    'operate()',
    4,
    'audit cancel changes circuits classes classRuns dashboard dispatch doctor edit erase events failed failureBook failures figures find flows groups history import incidents keys limiters list monitor move name outbox overview pause ping place prioritize purge records remove reschedule resume retention retry runNow runs runTimes schedules search status steps tag tail undo untag why whyNext workers',
  ],
  [
    'a draft',
    6,
    'delayed dispatch expiresIn in onQueue prioritized retryUntil tagged withBackoff withId withOptions withTimeout withTries',
  ],
  ['Jobs.schedules', 8, 'damaged get list pause records remove resume runNow set'],
  ['operate().schedules', 9, 'damaged get list pause records remove resume runNow'],
  [
    'a handle',
    7,
    'cancel edit find id inTransaction move prioritize progress queue queued rejection remove reschedule result runNow send status tag untag',
  ],
  ['an error of the queue', 5, 'because cause code exit hint id ids message name queued reason stack'],
])('after the dot of %s, the editor suggests what users need, and nothing else', (_, mark, names) => {
  expect(suggested(mark)).toBe(names)
})

test.each([
  ['failed', '(error: unknown, payload: any) => unknown'],
  ['cancelled', '(payload: any, reason: "expired" | "user", because?: string | undefined) => unknown'],
  ['retryIf', '(error: unknown) => boolean'],
])('the editor shows the parameters of %s', (method, shown) => {
  const type = checker.getTypeAtPosition(file, text.indexOf(`job.${method}`) + 'job.'.length)
  expect(checker.typeToString(type!)).toBe(shown)
})

test('each option has a description, and a type with a name', () => {
  const module = original(checker.getSymbolAtPosition(file, text.indexOf('as entry2') + 3)!)
  const options = checker
    .getExportsOfModule(module)
    .filter(({ name }) => /(Options?|Config|Limits)$/.test(name))
  const properties = options.flatMap((each) =>
    checker
      .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(original(each)))
      .map((symbol) => ({ name: `${each.name}.${symbol.name}`, symbol })),
  )
  expect(properties.map(({ name }) => name)).toContain('QueueConfig.rate')
  const unsaid = properties.filter(({ symbol }) => checker.getDocumentationCommentOfSymbol(symbol) === '')
  expect(unsaid.map(({ name }) => name)).toEqual([])
  const shown = properties.map(({ symbol }) => checker.typeToString(checker.getTypeOfSymbol(symbol)!))
  expect(shown.filter((type) => type.includes('OptionsOf'))).toEqual([])
})

test('each type that the exports of a package mention can be imported', () => {
  const exported = new Map<number, { name: string; symbol: Declared }>()
  for (const i of entries.keys()) {
    const module = original(checker.getSymbolAtPosition(file, text.indexOf(`as entry${i}`) + 3)!)
    for (const each of checker.getExportsOfModule(module)) {
      const symbol = original(each)
      exported.set(symbol.id, { name: each.name, symbol })
      // `Jobs` is the name of the class and of its default instance.
      const named =
        symbol.flags & SymbolFlags.TypeAlias && checker.getDeclaredTypeOfSymbol(symbol).getSymbol()
      if (named && named.name === each.name) exported.set(named.id, { name: each.name, symbol: named })
    }
  }
  expect(exported.size).toBeGreaterThan(100)
  const missing = new Set<string>()
  const isOfPackage = ({ path }: { path: string }) => path.includes('/packages/lark')
  for (const { name, symbol } of exported.values()) {
    const visit = (node: Node): void => {
      const met = node.kind === SyntaxKind.Identifier ? checker.getSymbolAtLocation(node) : undefined
      const type = met && original(met)
      const isType = type && type.flags & SymbolFlags.Type && !(type.flags & SymbolFlags.TypeParameter)
      if (isType && type.declarations.some(isOfPackage) && !exported.has(type.id))
        missing.add(`${type.name}, of ${name}`)
      node.forEachChild(visit)
    }
    for (const declaration of symbol.declarations.filter(isOfPackage)) visit(declaration.resolve()!)
  }
  expect([...missing]).toEqual([])
})

test('copies of the package share the default instance if their versions are compatible', () => {
  expect(['0.3.1', '0.3.0-beta.2', '1.2.3', '10.0.0'].map(generationOf)).toEqual(['0.3', '0.3', '1', '10'])
  const { version } = JSON.parse(
    readFileSync(new URL('../packages/lark-jobs/package.json', import.meta.url), 'utf8'),
  )
  const slot = Symbol.for(`s18i.lark.jobs@${generationOf(version)}`)
  expect((globalThis as { [slot]?: unknown })[slot]).toBe(Jobs)
})

test('a copy of the package works with the instances, jobs and drafts of another copy', async () => {
  const copy = join(app.folder, 'copy')
  await cp(new URL('../packages/lark-jobs/dist', import.meta.url), join(copy, 'dist'), { recursive: true })
  await cp(new URL('../packages/lark-jobs/package.json', import.meta.url), join(copy, 'package.json'))
  const other = (name: string) => import(pathToFileURL(join(copy, `dist/${name}.js`)).href)
  const { chain: chainOfCopy, Job: JobOfCopy }: typeof import('@s18i/lark-jobs') = await other('index')
  const { operate }: typeof import('@s18i/lark-jobs/operate') = await other('operate')
  expect(JobOfCopy).not.toBe(Job)
  const seen: unknown[] = []
  class CountJob extends JobOfCopy {
    handle({ n }: { n: number }) {
      seen.push([n, this.attempt, this.id !== undefined, this.flow !== undefined])
      return n
    }
  }
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  const job = new CountJob()
  expect(await jobs.dispatch(job, { n: 1 })).toBe(true)
  expect(job.ids).toHaveLength(1)
  const handle = await jobs.dispatch(CountJob.with({ n: 2 }))
  await jobs.dispatch(chainOfCopy([CountJob.with({ n: 3 })]))
  expect(await operate(jobs).pause({ queue: 'default' })).toEqual({ wasPaused: false })
  expect(await operate(jobs).resume({ queue: 'default' })).toEqual({ wasPaused: true })
  await (await jobs.work({ jobs: [CountJob], stopWhenEmpty: true })).done
  expect(seen).toEqual([1, 2, 3].map((n) => [n, 1, true, n === 3]))
  expect(await handle.result()).toBe(2)
})

test('the internals of an instance can be reached only by one symbol', () => {
  const { version } = JSON.parse(
    readFileSync(new URL('../packages/lark-jobs/package.json', import.meta.url), 'utf8'),
  )
  const doors = []
  for (let from: object = Jobs; from !== Object.prototype; from = Object.getPrototypeOf(from))
    doors.push(...Object.getOwnPropertySymbols(from))
  const inside = Symbol.for(`s18i.lark.jobs@${generationOf(version)}.inside`)
  expect(doors).toEqual([inside, Symbol.asyncDispose])
})

test('no published declaration contains internal members', () => {
  const declared = readFileSync(
    join(app.folder, 'node_modules/@s18i/lark-jobs/dist/types/api/jobs.d.ts'),
    'utf8',
  )
  expect(declared).toContain('class Jobs')
  expect(declared).not.toMatch(/[Ii]nside|enqueue|Operating|constructor/)
})

/** Returns the symbol behind an import or a re-export. */
function original(symbol: Declared): Declared {
  return symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}
