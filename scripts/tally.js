// A reporter of vitest for `npm test`. The reporter writes to a file which test files failed, and how many
// tests of each file passed, failed or were skipped. The JSON report of Vitest does not contain errors that
// happen outside of a test, for example unhandled rejections.
import { writeFileSync } from 'node:fs'

/**
 * @typedef {{ passed: number, failed: number, skipped: number, cpu: number, isFailed: boolean, names:
 *   string[] }} File `cpu`: CPU time in seconds (`cpu-time.ts`). `names`: the names of the tests that failed.
 * @typedef {{ files: Record<string, File>, strays: string[] }} Tally `strays`: errors whose file is not
 *   known.
 */

export default class {
  /**
   * @param {ReadonlyArray<import('vitest/node').TestModule>} modules
   * @param {ReadonlyArray<import('vitest').SerializedError>} errors
   */
  onTestRunEnd(modules, errors) {
    /** @type {Tally} */
    const tally = { files: {}, strays: [] }
    for (const module of modules) {
      const tests = [...module.children.allTests()]
      const count = (/** @type {string} */ state) =>
        tests.filter((test) => test.result().state === state).length
      tally.files[module.moduleId] = {
        passed: count('passed'),
        failed: count('failed'),
        skipped: count('skipped') + count('pending'),
        cpu: module.meta().cpu ?? 0,
        isFailed: !module.ok(),
        names: tests.filter((test) => !test.ok()).map((test) => test.fullName),
      }
    }
    for (const { VITEST_TEST_PATH: path, message } of errors) {
      const file = tally.files[path]
      if (file === undefined) tally.strays.push(message)
      else Object.assign(file, { isFailed: true, names: [...file.names, message] })
    }
    writeFileSync(String(process.env.LARK_TALLY), JSON.stringify(tally))
  }
}
