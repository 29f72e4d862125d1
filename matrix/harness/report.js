// The outcome of the rows: a table for the terminal, and docs/compatibility.md.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { inputsOf } from './inputs.js'

const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const page = file('docs/compatibility.md')
/** The last outcome of each row, and the machine of the last run. The page is made from this file. */
const memory = file('matrix/results.json')

/**
 * @typedef {object} Result
 * @property {string} kind
 * @property {string} name
 * @property {string} version
 * @property {boolean} works
 * @property {string} remark what was tried, or why it failed
 * @property {number} seconds
 *
 * @typedef {Omit<Result, 'seconds'> & { date: string, commit: string, inputs: string }} KeptResult inputs:
 *   see `inputs.js`
 */

export class Report {
  /** @type {Result[]} */
  results = []
  /**
   * The commit that is tested. It is read before the first row runs, because the sources may change
   * meanwhile.
   */
  #commit = commit()
  #inputs

  /** @param {import('./row.js').Row[]} rows all rows, in their order. The packages must be built */
  constructor(rows) {
    this.#inputs = new Map(rows.map((row) => [key(row), inputsOf(row)]))
  }

  /** @param {import('./row.js').Row} row @param {Omit<Result, 'kind' | 'name'>} outcome */
  add({ kind, name }, { version, works, remark, seconds }) {
    const line = remark.split('\n')[0].slice(0, 160)
    this.results.push({ kind, name, version, works, remark: line, seconds: Math.round(seconds * 10) / 10 })
  }

  get isGood() {
    return this.results.every(({ works }) => works)
  }

  table() {
    const failed = this.results.filter(({ works }) => !works).length
    const lines = aligned([
      ['KIND', 'NAME', 'VERSION', 'RESULT', 'SECONDS', 'REMARK'],
      ...this.results.map((row) => [...cells(row).slice(0, 4), row.seconds.toFixed(1), row.remark]),
    ])
    return [...lines, '', `${this.results.length - failed} work, ${failed} fail`].join('\n')
  }

  /** Writes the page. @param {import('./row.js').Row[]} rows all rows, in their order */
  keep(rows) {
    const made = { date: new Date().toISOString().slice(0, 10), commit: this.#commit }
    const known = new Map(kept().results.map((result) => [key(result), result]))
    for (const { seconds: _, ...result } of this.results)
      known.set(key(result), { ...result, ...made, inputs: this.#inputs.get(key(result)) })
    const results = rows.flatMap((row) => known.get(key(row)) ?? [])
    const machine = `${type()} ${release()}, ${process.arch}, ${availableParallelism()} cores (${cpus()[0].model}). Node ${process.versions.node}`
    writeFileSync(memory, `${JSON.stringify({ machine, results }, null, 2)}\n`)
    writeFileSync(page, pageOf({ machine, results }))
  }
}

/** @param {{ kind: string, name: string }} row */
const key = ({ kind, name }) => `${kind}\n${name}`

/** @returns {{ machine: string, results: KeptResult[] }} the stored outcomes, from which the page was made */
export function kept() {
  return JSON.parse(readFileSync(memory, 'utf8'))
}

/**
 * Returns the rows that failed in their last run, or whose inputs have changed since then.
 *
 * @param {import('./row.js').Row[]} rows
 * @returns {import('./row.js').Row[]}
 */
export function staleOf(rows) {
  const known = new Map(kept().results.map((result) => [key(result), result]))
  return rows.filter((row) => {
    const last = known.get(key(row))
    return !last?.works || last.inputs !== inputsOf(row)
  })
}

/** The commit that is checked out, and whether the packages or the matrix differ from it. */
function commit() {
  const git = (...words) => execFileSync('git', words, { encoding: 'utf8', cwd: file('.') }).trim()
  const changed = git('status', '--porcelain', '--', 'packages', 'matrix', ':!matrix/results.json')
  return `${git('rev-parse', '--short=8', 'HEAD')}${changed === '' ? '' : ', changed'}`
}

/** @param {Result} row */
function cells({ kind, name, version, works, remark }) {
  return [kind, name, version, works ? 'works' : 'fails', remark]
}

/** @param {string[][]} rows */
function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  )
}

/** Returns the text of the page. @param {{ machine: string, results: KeptResult[] }} kept */
export function pageOf({ machine, results }) {
  const escaped = (cell) => cell.replaceAll('|', '\\|').replaceAll('`', "'")
  const rows = results.map((result) => [...cells(result), result.date, result.commit].map(escaped))
  const head = ['kind', 'name', 'version', 'result', 'what was tried', 'date', 'commit']
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return `---
title: Compatibility
description: Where Lark was tried, and what came of it. Covers runtimes, TypeScript, bundlers, test runners, frameworks and package managers.
keywords: [lark, lark-jobs, compatibility, node, bun, deno, typescript, bundler, jest, vitest, next]
---

# Compatibility

Each row is a real program: it dispatches a job, a worker runs the job, and its result is checked; or it serves the dashboard, and its page, a change and the stream are checked. The packages are packed as they are published, and installed into a folder of their own. \`npm run matrix\` writes this page. The last column names the commit that a row was tried with. If the declarations, the builds or a row have changed since, a test fails, and no release is published.

Machine: ${machine}, unless a row says otherwise.

${[line(head), rule, ...rows.map(line)].join('\n')}
`
}
