import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from '../../lark/build/bundle.js'
import { bundlePage } from './page.js'

const folder = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
const licences = await bundlePage(folder)
await build({
  folder,
  entries: {
    index: 'src/index.ts',
    'commands/jobs-dashboard': 'src/commands/jobs-dashboard.ts',
  },
  exported: ['index'],
  required: ['index'],
  alone: ['commands/jobs-dashboard'],
  replaced: {},
  written: {},
  chunks: {
    dashboard: ['src/index.ts'],
    page: ['src/server/page.generated.ts'],
  },
})
// The licences must go with every copy of the bundled packages.
writeFileSync(`${folder}/dist/LICENSES.txt`, licences)
