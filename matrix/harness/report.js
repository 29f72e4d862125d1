// The outcome of the rows: a table for the terminal, and docs/compatibility.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'

const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const page = file('docs/compatibility.md')
/** The last outcome of each row. The page is made from this file. */
const memory = file('matrix/results.json')

/**
 * @typedef {object} Result
 * @property {string} kind
 * @property {string} name
 * @property {string} version
 * @property {boolean} works
 * @property {string} remark what was tried, or why it failed
 * @property {number} seconds
 */

export class Report {
  /** @type {Result[]} */
  results = []

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
    const date = new Date().toISOString().slice(0, 10)
    const kept = existsSync(memory) ? JSON.parse(readFileSync(memory, 'utf8')) : []
    const key = ({ kind, name }) => `${kind}\n${name}`
    const known = new Map(kept.map((result) => [key(result), result]))
    for (const { seconds: _, ...result } of this.results) known.set(key(result), { ...result, date })
    const results = rows.flatMap((row) => known.get(key(row)) ?? [])
    writeFileSync(memory, `${JSON.stringify(results, null, 2)}\n`)
    writeFileSync(page, pageOf(results))
  }
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

function pageOf(results) {
  const escaped = (cell) => cell.replaceAll('|', '\\|').replaceAll('`', "'")
  const rows = results.map((result) => [...cells(result), result.date].map(escaped))
  const head = ['kind', 'name', 'version', 'result', 'what was tried', 'date']
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  const machine = `${type()} ${release()}, ${process.arch}, ${availableParallelism()} cores (${cpus()[0].model})`
  return `---
title: Compatibility
description: Where Lark was tried, and what came of it. Covers runtimes, TypeScript, bundlers, test runners, frameworks and package managers.
keywords: [lark, lark-jobs, compatibility, node, bun, deno, typescript, bundler, jest, vitest, next]
---

# Compatibility

Each row is a real program: it dispatches a job, a worker runs the job, and its result is checked; or it serves the dashboard, and its page, a change and the stream are checked. The packages are packed as they are published, and installed into a folder of their own. \`npm run matrix\` writes this page.

Machine: ${machine}. Node ${process.versions.node}, unless a row says otherwise.

${[line(head), rule, ...rows.map(line)].join('\n')}
`
}
