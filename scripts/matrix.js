// `npm run matrix`: tests the packed packages (as npm publishes them) on every supported platform and with
// every supported tool. The script prints its progress to stderr, and a table of the results to stdout. Each
// row of the table is defined in `matrix/`, and matrix/README.md says how to add a row.
//
//   --only=NAME   run only the rows whose kind or name contains NAME; may be repeated
//   --today       run only the rows of today, without their slow parts: `npm test` runs a different twentieth
//                 of the rows each day
//   --stale       run only the rows that failed last time, or whose inputs have changed since then, and write
//                 the outcome (see --keep)
//   --check       run no row, and fail if a row is stale (see --stale)
//   --json        print the outcomes as JSON instead of the table
//   --keep        write the outcome to docs/compatibility.md even if only some rows ran (by default only if all rows ran)
//   --fresh       install every fixture anew
//   --list        only print the rows
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Report, staleOf } from '../matrix/harness/report.js'
import { Trial } from '../matrix/harness/row.js'
import { Workshop } from '../matrix/harness/workshop.js'
import { rows } from '../matrix/rows.js'

const flags = ['today', 'stale', 'check', 'json', 'keep', 'fresh', 'list']
const { values: said } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean', default: false }])),
  },
})
const TWENTIETH = 20
const today = Math.floor(Date.now() / 86_400_000) % TWENTIETH
const stale = said.stale || said.check ? staleOf(rows) : rows
const chosen = rows.filter((row, index) => {
  const name = `${row.kind} ${row.name}`.toLowerCase()
  const isOfToday = row.isDaily || index % TWENTIETH === today
  if ((said.today && !isOfToday) || !stale.includes(row)) return false
  return (said.only ?? ['']).some((part) => name.includes(part.toLowerCase()))
})
if ((said.stale || said.check) && chosen.length === 0) {
  console.log('All rows work, and nothing has changed since they were tried.')
  process.exit(0)
}
if (said.check) {
  console.error('These rows failed, or were tried with something else. Run npm run matrix -- --stale')
  for (const { kind, name } of chosen) console.error(`  ${kind}: ${name}`)
  process.exit(1)
}
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
const report = new Report(rows)
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
    trial = new Trial(workshop, row, { isQuick: said.today })
    outcome.remark = (await row.run(trial)) ?? ''
  } catch (error) {
    outcome.works = false
    // The remark gets the first line of the output that contains an error, because it says more than the exit
    // code.
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
  const where = row.node !== undefined && !row.name.includes('Node') ? `on Node ${row.node}` : ''
  if (outcome.works) outcome.remark = [outcome.remark, where].filter(Boolean).join(', ')
  report.add(row, { ...outcome, version, seconds })
  // Write the outcome after each row, so that an interrupted run does not lose the outcomes of the earlier
  // rows.
  if (said.keep || said.stale) report.keep(rows)
}
