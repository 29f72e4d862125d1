/**
 * `npm run bench`: compares Lark with its peers on this machine and on the same servers. The peers take turns
 * (A B C, A B C, …), and each measurement has a new process. The program prints medians and ratios, and which
 * targets are met.
 *
 *   --rounds=N    how often each measure runs; default 3
 *   --quick       makes only one round, in which each measurement takes a third of the time
 *   --slow        also runs the measures that take minutes: recovery after kill -9, 5 million waiting jobs
 *   --only=A,B    runs only the measures whose names begin with one of these texts
 *   --list        prints the names of the measures
 *   --peers=A,B   measures only Lark and these peers
 *   --json        prints every sample as JSON
 *
 * The variable REDIS_URL names a server to use instead of a new one. The database of this server must be
 * empty. The program empties it before each measurement.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine, versions } from './environment.js'
import { installPackages } from './install.js'
import { FULL, Measurement, QUICK } from './measurement.js'
import { startPostgres } from './postgres.js'
import { startProxy } from './proxy.js'
import { Probe, startRedis } from './redis.js'
import { report } from './report.js'
import { median } from './statistics.js'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    slow: { type: 'boolean', default: false },
    only: { type: 'string' },
    peers: { type: 'string' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3))
if (!Number.isInteger(rounds) || rounds < 1)
  fail(`--rounds is ${options.rounds}; it must be a whole number from 1`)

installPackages()
const { all, sections } = await import('./measures/index.js')
const { load, names } = await import('./peers/index.js')

if (options.list) {
  for (const { name, slow } of all) console.log(slow ? `${name} (with --slow, or named)` : name)
  process.exit()
}

const chosen = chooseMeasures()
const folder = mkdtempSync(join(tmpdir(), 'lark-bench-'))
const servers = []
let postgres
process.on('exit', () => {
  for (const server of servers) server.kill()
  rmSync(folder, { recursive: true, force: true })
})
process.on('SIGINT', () => process.exit(130))

const places = { redis: process.env.REDIS_URL ?? (await start(startRedis)).url }
const probe = await Probe.open(places.redis)
if ((await probe.ask(['DBSIZE'])) !== '0')
  fail('The database of REDIS_URL has keys, which the bench would delete')
const peers = await choosePeers()

/** measure → peer → metric → one sample for each round, undefined if the measurement failed */
const samples = {}
const builtAt = built()
for (let round = 1; round <= rounds; round++) {
  for (const measure of chosen.filter((each) => round <= (each.rounds ?? rounds))) {
    for (const name of measure.peers.filter((each) => peers.has(each))) {
      note(`Round ${round} of ${rounds}: ${measure.name}, ${name}`)
      const measurement = new Measurement(measure, name, peers.get(name), {
        places,
        folder,
        probe,
        amount: options.quick ? QUICK : FULL,
      })
      try {
        keep(measure.name, name, round, await measurement.run())
      } catch (error) {
        note(`${measure.name} of ${name} failed: ${error.message}`, true)
        process.exitCode = 1
      }
    }
  }
}
note('')
if (built() !== builtAt) {
  note('Lark was built anew meanwhile: its figures are not those of one program', true)
  process.exitCode = 1
}

const facts = {
  date: new Date().toISOString().slice(0, 10),
  machine: describeMachine(),
  versions: versions({ redis: await probe.info('server', 'redis_version'), postgresql: postgres?.version }),
  rounds,
  ...(chosen.some(({ delay }) => delay) && { far: await roundTrip(1) }),
}
if (options.json) console.log(JSON.stringify({ ...facts, samples }, undefined, 2))
else console.log(report(facts, sections, samples, peers))
process.exit()

function chooseMeasures() {
  const wanted = options.only?.split(',')
  for (const part of wanted ?? [])
    if (!all.some(({ name }) => name.startsWith(part))) fail(`No measure begins with '${part}'. See --list.`)
  return all.filter(({ name, slow }) =>
    wanted === undefined ? !slow || options.slow : wanted.some((part) => name.startsWith(part)),
  )
}

/**
 * Loads the peers that the command line asks for, if they are installed and their server is available.
 * Returns the modules of these peers by name.
 */
async function choosePeers() {
  const wanted = options.peers?.split(',')
  for (const name of wanted ?? [])
    if (!names.includes(name)) fail(`No peer is called '${name}': ${names.join(', ')}`)
  const found = new Map()
  for (const name of names) {
    const isWanted = wanted === undefined || wanted.includes(name) || name.startsWith('lark')
    if (!isWanted || !chosen.some((measure) => measure.peers.includes(name))) continue
    const peer = await load(name)
    if (peer === undefined && name.startsWith('lark')) fail('Lark is not built: npm run build')
    else if (peer === undefined) note(`${name} is not installed and left out`, true)
    else if (peer.store === 'postgres' && !(await findPostgres()))
      note(`${name} is left out: no PostgreSQL server`, true)
    else found.set(name, peer)
  }
  return found
}

async function findPostgres() {
  postgres ??= await start(startPostgres)
  places.postgres = postgres?.url
  return postgres !== undefined
}

async function start(startServer) {
  const server = await startServer()
  if (server !== undefined) servers.push(server)
  return server
}

/** Measures how many milliseconds a PING takes if each direction has this delay. */
async function roundTrip(delay) {
  const proxy = await startProxy(places.redis, delay)
  const far = await Probe.open(proxy.url)
  const took = []
  while (took.length < 100) {
    const sent = performance.now()
    await far.ask(['PING'])
    took.push(performance.now() - sent)
  }
  far.close()
  proxy.stop()
  return median(took)
}

function keep(measure, peer, round, metrics) {
  samples[measure] ??= {}
  samples[measure][peer] ??= {}
  const kept = samples[measure][peer]
  for (const [metric, value] of Object.entries(metrics)) {
    kept[metric] ??= []
    kept[metric][round - 1] = value
  }
}

/**
 * Returns the time at which Lark was built. If somebody builds Lark during the run, the figures belong to two
 * different versions.
 */
function built() {
  return statSync(new URL('../packages/lark-jobs/dist/index.js', import.meta.url)).mtimeMs
}

/**
 * Prints the progress on one line, which the next progress line overwrites. @param stays whether the line is
 * not overwritten, for messages that people should read
 */
function note(text, stays = false) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}${stays ? '\n' : ''}`)
  else if (text !== '') console.error(text)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
