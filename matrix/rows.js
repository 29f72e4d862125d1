// All rows of the matrix. A new row goes into a file in `rows/`, with its own fixture (README.md).
import { rows as bundlers } from './rows/bundlers.js'
import { rows as dashboards } from './rows/dashboards.js'
import { rows as frameworks } from './rows/frameworks.js'
import { rows as packageManagers } from './rows/package-managers.js'
import { rows as runtimes } from './rows/runtimes.js'
import { rows as testRunners } from './rows/test-runners.js'
import { rows as typescript } from './rows/typescript.js'

/** @type {import('./harness/row.js').Row[]} */
export const rows = [
  ...runtimes,
  ...packageManagers,
  ...typescript,
  ...bundlers,
  ...testRunners,
  ...frameworks,
  ...dashboards,
]
