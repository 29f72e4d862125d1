/** Writes the result of each test at once, so that a killed process leaves its results. */
import { appendFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import type { TestResult } from './run.ts'

export class Written implements Reporter {
  readonly #out: string
  /** The names of tests by their ids. A name that a file has twice gets a number. */
  readonly #names = new Map<string, string>()

  constructor(out: string) {
    this.#out = out
  }

  onTestModuleCollected(module: TestModule): void {
    appendFileSync(this.#out, '')
    const seen = new Map<string, number>()
    for (const test of module.children.allTests()) {
      const times = (seen.get(test.fullName) ?? 0) + 1
      seen.set(test.fullName, times)
      this.#names.set(test.id, times === 1 ? test.fullName : `${test.fullName} #${times}`)
    }
  }

  onTestCaseReady(test: TestCase): void {
    this.#write({ name: this.#nameOf(test), state: 'started', errors: [], refusals: [] })
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result()
    const { refusals = [] } = test.meta() as { refusals?: string[] }
    this.#write({
      name: this.#nameOf(test),
      state: state === 'pending' ? 'skipped' : state,
      errors: errors.map(({ name, message, stack = '' }) => `${name}: ${message}\n${stack}`.slice(0, 2_000)),
      refusals,
    })
  }

  /** Reports a file that cannot be loaded, or a failed hook for all of its tests. */
  onTestModuleEnd(module: TestModule): void {
    appendFileSync(this.#out, '')
    const errors = [
      ...module.errors(),
      ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
    ]
    if (errors.length === 0) return
    const texts = errors.map(({ message, stack = '' }) => `${message}\n${stack}`.slice(0, 2_000))
    const open = [...module.children.allTests()].filter((test) => test.result().state !== 'passed')
    for (const test of open) {
      const { refusals = [] } = test.meta() as { refusals?: string[] }
      const own = test.result().errors ?? []
      if (own.length === 0)
        this.#write({ name: this.#nameOf(test), state: 'failed', errors: texts, refusals })
    }
    if (this.#names.size === 0)
      this.#write({ name: '(the file)', state: 'failed', errors: texts, refusals: [] })
  }

  #nameOf(test: TestCase): string {
    return this.#names.get(test.id) ?? test.fullName
  }

  #write(result: TestResult): void {
    appendFileSync(this.#out, `${JSON.stringify(result)}\n`)
  }
}
