import { fileURLToPath } from 'node:url'
import { build } from '../../lark/build/bundle.js'

await build({
  folder: fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''),
  entries: { 'commands/jobs-bench': 'src/commands/jobs-bench.ts' },
  exported: [],
  required: [],
  alone: ['commands/jobs-bench'],
  replaced: {},
  written: {},
  chunks: { bench: ['src/commands/jobs-bench.ts'] },
})
