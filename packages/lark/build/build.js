import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from './bundle.js'

await build({
  folder: fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''),
  entries: {
    index: 'src/index.ts',
    config: 'src/config.ts',
    internal: 'src/internal.ts',
    testing: 'src/testing.ts',
    bin: 'src/bin.ts',
    scan: 'src/catalog/scan.ts',
  },
  exported: ['index', 'config', 'internal', 'testing'],
  required: ['index', 'config', 'internal', 'testing'],
  alone: ['bin', 'scan'],
  replaced: { 'src/project/sandbox.ts': readFileSync(new URL('sandbox.cjs.js', import.meta.url), 'utf8') },
  written: { 'import.cjs': 'module.exports = (specifier) => import(specifier)\n' },
  chunks: {
    configuration: ['src/internal.ts'],
    program: ['src/bin.ts'],
    command: ['src/index.ts', 'src/command/metadata.ts'],
    scanner: ['src/catalog/scanner.ts', 'src/catalog/holding.ts'],
    init: ['src/init/steps.ts'],
  },
})
