/** Runs a file of BullMQ's tests on the classes of this package, or on BullMQ itself. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'
import { type SuiteRun, suiteRun } from './run.ts'
import { Written } from './written.ts'

const own = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const bullmq = join(dirname(createRequire(import.meta.url).resolve('bullmq/package.json')), 'dist/cjs')

/** Returns the file that a test imports as `../src/…`. */
function sourceOf(name: string, on: SuiteRun['on']): string {
  if (on === 'lark' && name === 'classes') return own('classes.ts')
  if (on === 'lark' && name === 'utils') return own('utils.ts')
  const file = join(bullmq, name)
  return existsSync(`${file}.js`) ? `${file}.js` : join(file, 'index.js')
}

/** Resolves the imports of BullMQ's tests: its sources, and the packages that its checkout need not have. */
function resolving({ folder, on }: SuiteRun): Plugin {
  const tests = join(folder, 'tests') + sep
  return {
    name: 'bullmq-suite',
    enforce: 'pre',
    async resolveId(name, importer) {
      if (importer === undefined || !importer.startsWith(tests)) return undefined
      const source = /^(?:\.\.\/)+src\/(.+)$/.exec(name)?.[1]
      if (source !== undefined) return sourceOf(source, on)
      return name.startsWith('.') ? undefined : await this.resolve(name, own('setup.ts'), { skipSelf: true })
    },
  }
}

const run = suiteRun()

export default defineConfig({
  root: run.folder,
  plugins: [resolving(run)],
  test: {
    include: [run.file],
    setupFiles: [own('setup.ts')],
    // The configuration of BullMQ has the same limit. Tests with other limits name them.
    testTimeout: 10_000,
    hookTimeout: 10_000,
    sequence: { concurrent: false },
    pool: 'forks',
    reporters: [new Written(run.out)],
    // Errors that no test awaits belong to no test. Refusals are noted when they are thrown.
    dangerouslyIgnoreUnhandledErrors: true,
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
  },
})
