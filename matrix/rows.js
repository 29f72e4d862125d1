// All rows of the matrix. A new row goes into a file in `rows/`, with its own fixture (README.md).
import { rows as bundlers } from './rows/bundlers.js'
import { rows as dashboards } from './rows/dashboards.js'
import { rows as frameworks } from './rows/frameworks.js'
import { rows as isolated } from './rows/isolated.js'
import { rows as newProjects } from './rows/new-projects.js'
import { rows as packageManagers } from './rows/package-managers.js'
import { rows as runtimes } from './rows/runtimes.js'
import { rows as testRunners } from './rows/test-runners.js'
import { rows as typescript } from './rows/typescript.js'

/** In the order of the table, each file with its rows. They are all of one kind. */
const files = {
  'rows/runtimes.js': runtimes,
  'rows/package-managers.js': packageManagers,
  'rows/new-projects.js': newProjects,
  'rows/typescript.js': typescript,
  'rows/bundlers.js': bundlers,
  'rows/test-runners.js': testRunners,
  'rows/isolated.js': isolated,
  'rows/frameworks.js': frameworks,
  'rows/dashboards.js': dashboards,
}

/** @type {import('./harness/row.js').Row[]} */
export const rows = Object.values(files).flat()

/** The file of the rows of a kind. @param {string} kind @returns {string} */
export function fileOf(kind) {
  return Object.entries(files).find(([, [first]]) => first.kind === kind)[0]
}
