// `npm run matrix`: tries the packed packages on every supported platform and tool. Progress goes to stderr, and the
// table to stdout. `matrix/` has the rows, and says how to add one.
//
//   --only=NAME   only rows whose kind or name contains NAME; may be repeated
//   --small       only the rows that `npm test` runs, without slow parts
//   --json        the rows as JSON instead of the table
//   --keep        write the outcome to docs/compatibility.md even if only some rows ran (by default only if all rows ran)
//   --fresh       install every fixture anew
//   --list        only print the rows
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Report } from '../matrix/harness/report.js'
import { Trial } from '../matrix/harness/row.js'
import { Workshop } from '../matrix/harness/workshop.js'
import { rows } from '../matrix/rows.js'

const flags = ['small', 'json', 'keep', 'fresh', 'list']
const { values: said } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean', default: false }])),
  },
})
const chosen = rows.filter((row) => {
  const name = `${row.kind} ${row.name}`.toLowerCase()
  return (row.isSmall || !said.small) && (said.only ?? ['']).some((part) => name.includes(part.toLowerCase()))
})
if (chosen.length === 0) {
  console.error(
    `No row has ${said.only?.join(' or ')} in its name. There are:\n${rows.map(({ name }) => `  ${name}`).join('\n')}`,
  )
  process.exit(2)
}
if (said.list) {
  for (const { kind, name } of chosen) console.log(`${kind}: ${name}`)
  process.exit(0)
}

const workshop = new Workshop({ isFresh: said.fresh })
workshop.pack()
const report = new Report()
for (const row of chosen) await attempt(row)
if (said.json) console.log(JSON.stringify(report.results, null, 2))
else console.log(report.table())
if (chosen.length === rows.length) report.keep(rows)
process.exit(report.isGood ? 0 : 1)

/** @param {import('../matrix/harness/row.js').Row} row */
async function attempt(row) {
  process.stderr.write(`${row.kind}: ${row.name} … `)
  const began = performance.now()
  let trial
  const outcome = { works: true, remark: '' }
  try {
    await workshop.install(row.fixture)
    trial = new Trial(workshop, row, { isQuick: said.small })
    outcome.remark = (await row.run(trial)) ?? ''
  } catch (error) {
    outcome.works = false
    // The first line with an error says more than the exit code.
    const line = error.output?.split('\n').find((line) => /^(\S+ )?\w*error\b|error TS\d/i.test(line.trim()))
    outcome.remark = [error.message, line?.trim()].filter(Boolean).join(': ')
    outcome.output = error.output ?? error.stack
  }
  await trial?.end()
  if (outcome.works) rmSync(trial.out, { recursive: true, force: true })
  const seconds = (performance.now() - began) / 1_000
  const version = trial?.version ?? (row.version && trial ? trial.versionOf(row.version) : '')
  process.stderr.write(`${outcome.works ? 'works' : 'FAILS'}, ${seconds.toFixed(1)} s\n`)
  if (!outcome.works)
    process.stderr.write(`  ${outcome.remark}\n${outcome.output.trim().replace(/^/gm, '    ')}\n`)
  const where = row.node !== undefined && row.kind !== 'Runtime' ? `on Node ${row.node}` : ''
  if (outcome.works) outcome.remark = [outcome.remark, where].filter(Boolean).join(', ')
  report.add(row, { ...outcome, version, seconds })
  // The outcome is kept after each row, so that an interrupted run keeps its results.
  if (said.keep) report.keep(rows)
}
