/**
 * `npm run transactions -- --help`: makes transactions with jobs with all clients of a database, while
 * applications, workers, the database and the store are killed and stopped. The program prints progress to
 * stderr and the account to stdout. Its exit code is 1 if a promise was broken.
 */
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { dialects } from '../../src/outbox/dialect.ts'
import { rules } from './account.ts'
import { type Found, stores, transactions } from './run.ts'

const help = `npm run transactions -- [options]

  --database NAME    ${dialects.join(', ')}; default postgres
  --store NAME       ${stores.join(' or ')}; default redis
  --transactions N   how many must commit; default 10000
  --minutes M        the run ends then in any case; default 30
  --rate N           transactions a second, at most; default 300
  --seed N           of the faults; default 1
  --keep             keep the journal and the output of the processes, and say where
  --json             the account as JSON
`

const { values } = parseArgs({
  options: {
    database: { type: 'string', default: 'postgres' },
    store: { type: 'string', default: 'redis' },
    transactions: { type: 'string', default: '10000' },
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help) process.stdout.write(help)
else await main()

async function main(): Promise<void> {
  const database = oneOf('database', dialects, values.database)
  const store = oneOf('store', stores, values.store)
  const [count, minutes, seed, rate] = (['transactions', 'minutes', 'seed', 'rate'] as const).map((name) => {
    const number = Number(values[name])
    if (!(Number.isFinite(number) && number > 0))
      throw new Error(`--${name} is ${values[name]}; it must be above 0`)
    return number
  }) as [number, number, number, number]
  const loads = [load()]
  const say = (line: string) => {
    loads.push(load())
    process.stderr.write(`${line}; load ${load()}\n`)
  }
  const about = `transactions on ${database} and ${store}, ${rate} a second, seed ${seed}; ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
  say(about)
  const { keep, json } = values
  const found = await transactions({
    database,
    store,
    transactions: count,
    minutes,
    seed,
    rate,
    form: 'long',
    say,
    keep,
  })
  const loaded = `${Math.min(...loads)} to ${Math.max(...loads)}`
  const lines = json
    ? [JSON.stringify({ database, store, seed, loads: loaded, ...found }, null, 2)]
    : [`${about}, load ${loaded}`, '', ...summaryOf(found)]
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exitCode = found.findings.length === 0 ? 0 : 1
}

function oneOf<T extends string>(name: string, all: readonly T[], given: string): T {
  const found = all.find((each) => each === given)
  if (found === undefined) throw new Error(`--${name} is ${given}; there are ${all.join(', ')}`)
  return found
}

function load(): number {
  return Math.round(loadavg()[0]!)
}

function summaryOf(found: Found): string[] {
  const { orders, jobs, rolledBack, unsure, runs, again, kills, freezes, relayHits, age, bytes, seconds } =
    found
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  return [
    `orders    ${orders} committed with ${jobs} jobs in ${seconds} s; ${rolledBack} rolled back, ${unsure} ended with an error`,
    `clients   ${list(found.clients)}`,
    `runs      ${runs}; ${again} jobs ran again`,
    `kills     ${list(kills)}; freezes ${list(freezes)}; ${relayHits} of the worker that relayed`,
    `oldest    p50 ${age.p50} ms, p99 ${age.p99} ms without an outage, at most ${age.max} ms; at most ${age.beyond} ms beyond outages (${age.samples} looks)`,
    `outbox    ${bytes.end} bytes at the end, at most ${bytes.most}`,
    ...Object.entries(found.errors).map(([text, count]) => `error     ${count} × ${text}`),
    `promises  ${found.findings.length === 0 ? 'all kept' : 'BROKEN'}`,
    ...found.findings.map(({ rule, text }) => `  ${rule} (${rules[rule]}): ${text}`),
  ]
}
