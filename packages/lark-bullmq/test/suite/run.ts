/** Runs one file of BullMQ's tests in a separate process, with its arguments and its results. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface SuiteRun {
  /** The folder of a checkout of BullMQ. */
  folder: string
  /** The path of the file below the folder. */
  file: string
  /** Selects whose classes the tests get. */
  on: 'bullmq' | 'lark'
  /** `redis://…`, or `sqlite:…` for Lark. */
  store: string
  /** The process writes its results to this file. */
  out: string
}

/** The result of a test, as written by the process of its file. */
export interface TestResult {
  name: string
  state: 'passed' | 'failed' | 'skipped' | 'started'
  /** The errors of the test, each as one text. */
  errors: string[]
  /** The refusals of Lark's classes while the test ran. */
  refusals: string[]
}

const VARIABLE = 'LARK_BULLMQ_SUITE'
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
const modules = dirname(dirname(vitest))
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))

/** Returns the arguments of this process. */
export function suiteRun(): SuiteRun {
  return JSON.parse(process.env[VARIABLE]!)
}

/**
 * Runs a file. A test that ends neither by itself nor by its time limit stays `started`: the process is then
 * ended after the limit of the file.
 *
 * @param limit milliseconds
 * @param name a part of the names of tests. Default: all
 */
export async function runFile(run: SuiteRun, limit: number, name?: string): Promise<TestResult[]> {
  const words = ['run', '--config', config, ...(name === undefined ? [] : ['--testNamePattern', name])]
  const child = spawn(process.execPath, [vitest, ...words], {
    cwd: run.folder,
    env: {
      ...process.env,
      [VARIABLE]: JSON.stringify(run),
      // Applications run in production, and in other environments no schedule ticks.
      NODE_ENV: 'production',
      NO_COLOR: '1',
      LARK_JOBS_URL: run.store,
      // Tests also call `require()`, which does not pass through Vite.
      NODE_PATH: modules,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: process.platform !== 'win32',
  })
  let said = ''
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-4_000)
  })
  const timer = setTimeout(() => endAll(child.pid!), limit)
  await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  return readResults(run.out, said)
}

/** Ends the process of a file with all processes that it has started. */
function endAll(pid: number): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
  } catch {
    // The process has just ended.
  }
}

function readResults(out: string, said: string): TestResult[] {
  let text: string
  try {
    text = readFileSync(out, 'utf8')
  } catch {
    throw new Error(`The tests did not start:\n${said}`)
  }
  const last = new Map<string, TestResult>()
  for (const line of text.split('\n').filter(Boolean)) {
    const result: TestResult = JSON.parse(line)
    // Vitest may report the beginning of a very short test after its end.
    if (result.state !== 'started' || !last.has(result.name)) last.set(result.name, result)
  }
  return [...last.values()]
}
