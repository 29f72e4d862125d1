import { fileURLToPath } from 'node:url'
import { build } from './bundle.js'

await build({
  folder: fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''),
  entries: { index: 'src/index.ts', config: 'src/config.ts', bin: 'src/bin.ts', scan: 'src/scan.ts' },
  exported: ['index', 'config'],
  required: ['index', 'config'],
  alone: ['index', 'bin', 'scan'],
  replaced: { 'src/sandbox.ts': 'export const requireHere = require' },
  chunks: {
    configuration: ['src/config.ts'],
    program: ['src/bin.ts'],
    command: ['src/index.ts'],
  },
})
