/**
 * `npm run bullmq-suite` runs BullMQ's own tests on the classes of this package. The program runs those tests
 * that pass on BullMQ, and sorts the results.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findBinary, Server } from '../../../lark-jobs/test/redis/server.ts'
import { filesOf, skippedTest } from './files.ts'
import { runFile, type SuiteRun, type TestResult } from './run.ts'
import { type SortedTest, sorted, tableOf } from './sorted.ts'

const help = `npm run bullmq-suite -- FOLDER [options]

Runs BullMQ's own tests on the classes of @s18i/lark-bullmq. FOLDER is a checkout of BullMQ:
git clone https://github.com/taskforcesh/bullmq

  --store NAME    redis or sqlite; default redis
  --file PART     only the files whose names have this part
  --test PART     only the tests whose names have this part
  --on bullmq     runs them on BullMQ itself, and keeps which of them pass there
  --baseline FILE where the names of those that pass on BullMQ are kept
  --list          also prints each test that neither passes nor is refused, with its first error
  --json FILE     writes all results
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: 'redis' },
    file: { type: 'string' },
    test: { type: 'string' },
    on: { type: 'string', default: 'lark' },
    baseline: { type: 'string' },
    list: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

/** The time limit of one file in milliseconds. BullMQ's files take up to 3 minutes. */
const LIMIT = 15 * 60_000
/** The number of files that run at a time. More files disturb tests that measure time. */
const TOGETHER = 2

const cache = fileURLToPath(new URL('../../../../node_modules/.cache/bullmq-suite', import.meta.url))

if (values.help) process.stdout.write(help)
else process.exitCode = await main()

async function main(): Promise<number> {
  const [given] = positionals
  const folder = given === undefined ? undefined : resolve(given)
  if (folder === undefined || !existsSync(join(folder, 'tests/utils/connection-factory.ts'))) {
    const what = folder === undefined ? 'Name a checkout of BullMQ' : `${folder} is no checkout of BullMQ 6`
    console.error(`${what}: npm run bullmq-suite -- FOLDER`)
    return 2
  }
  if (!['redis', 'sqlite'].includes(values.store) || !['lark', 'bullmq'].includes(values.on)) {
    console.error('--store is redis or sqlite, and --on is lark or bullmq')
    return 2
  }
  const files = filesOf(folder).filter((file) => values.file === undefined || file.includes(values.file))
  const passing = await baselineOf(folder, files)
  if (values.on === 'bullmq') return 0
  // A file whose tests are all skipped need not run.
  const isLeft = (file: string) => passing[file]?.some((name) => skippedTest(file, name) === undefined)
  const some = files.filter(isLeft)
  const results = await runAll(folder, some, 'lark')
  const all = files.flatMap((file) => sorted(file, passing[file] ?? [], results.get(file) ?? []))
  const tests = values.test === undefined ? all : all.filter(({ name }) => name.includes(values.test!))
  process.stdout.write(tableOf(tests, values))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(tests, null, 2)}\n`)
  const isWrong = ({ verdict }: SortedTest) => verdict === 'hangs' || verdict === 'fails'
  return tests.some(isWrong) ? 1 : 0
}

/**
 * Returns the names of the tests that pass on BullMQ, by file. The names are cached, because BullMQ does not
 * change here.
 */
async function baselineOf(folder: string, files: readonly string[]): Promise<Record<string, string[]>> {
  const require = createRequire(import.meta.url)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const kept = values.baseline ?? join(cache, `${version}-on-${require('bullmq/package.json').version}.json`)
  const known: Record<string, string[]> = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {}
  const missing = files.filter((file) => values.on === 'bullmq' || known[file] === undefined)
  if (missing.length === 0) return known
  for (const [file, results] of await runAll(folder, missing, 'bullmq'))
    known[file] = results.filter(({ state }) => state === 'passed').map(({ name }) => name)
  mkdirSync(dirname(kept), { recursive: true })
  writeFileSync(kept, JSON.stringify(known))
  return known
}

/** Runs files, each with its own server and folder. */
async function runAll(
  folder: string,
  files: readonly string[],
  on: SuiteRun['on'],
): Promise<Map<string, TestResult[]>> {
  const own = mkdtempSync(join(tmpdir(), 'lark-bullmq-suite-'))
  await findBinary('redis-server')
  await using server = await Server.start('redis-server', ['--maxmemory-policy', 'noeviction'])
  const all = new Map<string, TestResult[]>()
  const left = [...files]
  const take = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const name = file.replaceAll('/', '-')
      const isFile = on === 'lark' && values.store === 'sqlite'
      const store = isFile ? `sqlite:${join(own, `${name}.db`)}` : server.url
      const began = Date.now()
      const out = join(own, `${name}.ndjson`)
      const test = on === 'lark' ? values.test : undefined
      const results = await runFile({ folder, file, on, store, out }, LIMIT, test)
      const passed = results.filter(({ state }) => state === 'passed').length
      const seconds = ((Date.now() - began) / 1_000).toFixed(0)
      console.error(`${on}  ${file}: ${passed} of ${results.length} pass, ${seconds} s`)
      all.set(file, results)
    }
  }
  try {
    await Promise.all(Array.from({ length: TOGETHER }, take))
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
  return all
}
