/**
 * `npm run villains -- --help`: runs jobs that loop, allocate, exit, abort and block (villains) together with
 * honest jobs, on a worker that is killed meanwhile. The program prints progress to stderr and the account to
 * stdout. Its exit code is 1 if a promise was broken.
 */
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { fitRows } from '../../../lark/src/console/table.ts'
import { type Account, villainNames } from './account.ts'
import { stores, villains } from './run.ts'

const help = `npm run villains -- [options]

  --store NAME  ${stores.join(' or ')}; default redis
  --times N     how often each villain comes; default 100
  --keep        keep the journal and the output of the worker, and say where
  --json        the account as JSON
`

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'redis' },
    times: { type: 'string', default: '100' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help) process.stdout.write(help)
else await main()

async function main(): Promise<void> {
  const { keep, json } = values
  const store = stores.find((name) => name === values.store)
  if (store === undefined) throw new Error(`--store is ${values.store}; there are ${stores.join(', ')}`)
  const times = Number(values.times)
  if (!(Number.isInteger(times) && times >= 1))
    throw new Error(`--times is ${values.times}; it must be a whole number from 1`)
  const loads = [load()]
  const say = (line: string) => {
    loads.push(load())
    process.stderr.write(`${line}; load ${load()}\n`)
  }
  const about = `villains on ${store}, each ${times} times; ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
  say(about)
  const found = await villains({ store, times, isTimed: true, say, keep })
  const around = { store, times, loads: `${Math.min(...loads)} to ${Math.max(...loads)}` }
  const lines = json
    ? [JSON.stringify({ ...around, ...found }, null, 2)]
    : [`${about}, load ${around.loads}`, '', ...tableOf(found), '', ...summaryOf(found)]
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exitCode = found.findings.length === 0 ? 0 : 1
}

function load(): number {
  return Math.round(loadavg()[0]!)
}

function tableOf({ villains }: Account): string[] {
  const head = ['villain', 'times', 'again', 'failed() after, p50, ms', 'max', 'process gone, p50, ms', 'max']
  const rows = villainNames.map((name) => {
    const { times, again, ended, gone } = villains[name]
    return [name, times, again, ended.p50, ended.max, gone.p50, gone.max]
  })
  return fitRows(head, rows, Number.POSITIVE_INFINITY).flat()
}

function summaryOf({ honest, kills, late, findings }: Account): string[] {
  const lateness = Object.entries(late).flatMap(([where, windows]) =>
    Object.entries(windows).map(
      ([window, { jobs, p50, p99, max }]) =>
        `late      ${where}, ${window}: p50 ${p50} ms, p99 ${p99} ms, at most ${max} ms (${jobs} jobs)`,
    ),
  )
  return [
    `honest    ${honest.dispatched} dispatched, ${honest.ended} ended; ${honest.again} began again, because their worker was killed (${kills} kills)`,
    ...lateness,
    `promises  ${findings.length === 0 ? 'all kept' : `BROKEN, ${findings.length} findings`}`,
    ...findings.map((finding) => `  ${finding}`),
  ]
}
