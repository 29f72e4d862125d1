/**
 * The command line for a long chaos run: see `npm run chaos -- --help`. The program prints progress to stderr
 * and the account to stdout. Its exit code is 1 if a promise was broken.
 */
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { chaos, LEASE, QUEUES, RATE } from './conductor.ts'
import type { Durability } from './evidence.ts'
import { largeBatch } from './large-batch.ts'
import { type StageName, stages } from './stage.ts'
import { summaryOf, tableOf } from './table.ts'

const durabilities: readonly Durability[] = ['normal', 'strict', 'replicated']

const help = `npm run chaos -- [options]

  --minutes N     how long; without it, each fault comes once
  --seed S        the schedule of faults; it is printed, and the same seed gives the same one
  --store NAME    ${stages.join(', ')}; default redis
  --faults A,B    only those whose names begin so
  --lease MS      of the workers; default 2500
  --rate N        jobs per second of each of the two dispatchers; default ${RATE}, and 2.5 flows
  --queues N      how many queues the jobs are in; default ${QUEUES}
  --durability D  normal, strict or replicated: what a dispatch waits for; default normal
  --fsync WHEN    always or everysec: when Redis and Valkey sync what they write; default always
  --node24        on a Node 24, which it installs: the embedded store then has node:sqlite
  --batch N       instead: one batch of N members on Redis, whose workers are killed
  --left          its dispatcher is killed, too, when half of it is queued
  --keep          keep the journals and the files of the store, and say where
  --json          the account as JSON
`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    store: { type: 'string', default: 'redis' },
    faults: { type: 'string' },
    lease: { type: 'string' },
    rate: { type: 'string' },
    queues: { type: 'string' },
    durability: { type: 'string' },
    fsync: { type: 'string', default: 'always' },
    batch: { type: 'string' },
    left: { type: 'boolean' },
    keep: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help) process.stdout.write(help)
else if (values.batch !== undefined) await mainOfBatch()
else await main()

async function mainOfBatch(): Promise<void> {
  const count = numberOf('batch', 1)!
  const seed = seedOf()
  const leaseMs = numberOf('lease', 1_000) ?? LEASE
  const { left: isLeft = false } = values
  say(`a batch of ${count}${isLeft ? ' that its dispatcher leaves' : ''} on redis, seed ${seed}`)
  const account = await largeBatch({ count, seed, isLeft, leaseMs, say })
  process.stdout.write(`${JSON.stringify({ seed, count, isLeft, ...account }, null, 2)}\n`)
  process.exitCode = account.findings.length === 0 ? 0 : 1
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function seedOf(): number {
  return numberOf('seed', 0) ?? Math.floor(Math.random() * 2 ** 31)
}

async function main(): Promise<void> {
  const { store, faults, durability = 'normal', fsync, keep = false } = values
  if (!stages.includes(store as StageName))
    throw new Error(`--store is ${store}; there are ${stages.join(', ')}`)
  if (!durabilities.includes(durability as Durability))
    throw new Error(`--durability is ${durability}; there are ${durabilities.join(', ')}`)
  if (fsync !== 'always' && fsync !== 'everysec')
    throw new Error(`--fsync is ${fsync}; there are always, everysec`)
  const minutes = numberOf('minutes', 0)
  const leaseMs = numberOf('lease', 1_000)
  const rate = numberOf('rate', 1)
  const queues = numberOf('queues', 2)
  const seed = seedOf()
  const about = `chaos on ${store}, seed ${seed}${durability === 'normal' ? '' : `, durability ${durability}`}${fsync === 'always' ? '' : `, fsync ${fsync}`}${minutes === undefined ? '' : `, ${minutes} minutes`}`
  say(`${about}; ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`)
  const end = new AbortController()
  process.once('SIGINT', () => {
    say('Ends after this fault, and accounts. A second Ctrl-C ends it now')
    end.abort()
  })
  const account = await chaos({
    signal: end.signal,
    store: store as StageName,
    seed,
    say,
    keep,
    durability: durability as Durability,
    fsync,
    ...(minutes !== undefined && { minutes }),
    ...(leaseMs !== undefined && { leaseMs }),
    ...(rate !== undefined && { rate }),
    ...(queues !== undefined && { queues }),
    ...(faults !== undefined && { faults: faults.split(',') }),
  })
  const lines = values.json
    ? [JSON.stringify({ store, seed, minutes, ...account }, null, 2)]
    : ['', about, '', ...tableOf(account.rows), '', ...summaryOf(account)]
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exitCode = account.findings.length === 0 ? 0 : 1
}

function numberOf(
  name: 'minutes' | 'lease' | 'rate' | 'queues' | 'seed' | 'batch',
  least: number,
): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const number = Number(text)
  if (!(number >= least)) throw new Error(`--${name} is ${text}; it must be a number from ${least}`)
  return number
}
