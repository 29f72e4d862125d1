// Every row of the matrix. A new one goes into a file of `rows/`, with a fixture of its own (README.md).
import { rows as bundlers } from './rows/bundlers.js'
import { rows as runtimes } from './rows/runtimes.js'

/** @type {import('./harness/row.js').Row[]} */
export const rows = [...runtimes, ...bundlers]
