/**
 * `npm run demo`: dispatches and runs twenty thousand jobs of the example application on the embedded store,
 * and also a chain and a batch. The script installs missing packages, builds the sources, starts an SMTP
 * server on this machine, runs the commands that a user would type, and then shows the results. `npm run demo
 * -- --store redis://…` uses this store instead.
 *
 * The script uses only modules of Node, because it runs before `npm ci`.
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { installPackages, root, run as step } from './steps.js'

const example = join(root, 'examples', 'mac-registry')
const bin = join(root, 'node_modules', '.bin')

const isColoured = process.stdout.isTTY && !process.env.NO_COLOR
const paint = isColoured ? styleText : (_style, text) => text

/** The environment variables of the commands that the demo runs. */
let environment = {}

// Ctrl-C also reaches the running command. The demo waits until the command has ended, and then ends, too.
let isInterrupted = false
process.on('SIGINT', () => (isInterrupted = true))

try {
  const { store } = parseArgs({ options: { store: { type: 'string' } } }).values
  environment = environmentFor(store)
  prepare(store)
  await demonstrate()
} catch (error) {
  console.error(paint('red', `\n✗ ${error.message}`))
  process.exitCode = isInterrupted ? 130 : 1
}

/**
 * Returns the environment variables for the commands. Variables that would choose a store are removed, so the
 * commands use the embedded store, unless `--store` names another store.
 */
function environmentFor(store) {
  const env = { ...process.env, PATH: bin + delimiter + process.env.PATH }
  for (const name of ['REDIS_URL', 'LARK_JOBS_URL', 'LARK_CONFIG', 'NODE_ENV']) {
    if (env[name] !== undefined) note(`${name} is set; the demo leaves it out`)
    delete env[name]
  }
  return store === undefined ? env : { ...env, LARK_JOBS_URL: store }
}

function prepare(store) {
  installPackages()
  step('Building', 'npm', ['run', 'build'])
  if (store === undefined) rmSync(join(example, '.lark'), { recursive: true, force: true })
  rmSync(join(example, 'var'), { recursive: true, force: true })
}

async function demonstrate() {
  const { MailServer } = await import('../examples/mac-registry/mail-server.js')
  const mail = new MailServer()
  environment.SMTP_URL = await mail.start()
  note(`\nAn SMTP server listens on ${environment.SMTP_URL}`)
  announce('cd examples/mac-registry')
  try {
    await lark('users:process')
    await lark('bulk:process')
    await lark('index:build')
    await lark('jobs:flows')
    await lark('jobs:work --queue=high-priority,emails,default,low-priority --stop-when-empty')
    await lark('jobs:status')
    await lark('jobs:flows')
    await showFlows()
    await lark('schedule:list')
    await lark('jobs:failed')
  } finally {
    await mail.stop()
  }
  showMail(mail)
  await showFailure()
  showDashboard()
}

/** Shows the batch and the chain, node by node. */
async function showFlows() {
  const { flows } = JSON.parse(await capture('lark jobs:flows --json'))
  for (const { id } of flows) await lark(`jobs:flow ${id}`)
}

function showMail({ received, greylisted }) {
  console.log(
    `\n${paint('bold', 'E-mails')}  ${received.size} received, ${greylisted} at the second try. One:`,
  )
  const [first = ''] = received.values()
  for (const line of first.split('\r\n').filter(Boolean)) console.log(paint('dim', `  │ ${line}`))
}

async function showFailure() {
  const { jobs } = JSON.parse(await capture('lark jobs:failed --queue emails --json'))
  const { id } = jobs[0]
  await lark(`jobs:show ${id}`)
  console.log(`\n${paint('bold', 'To try it again')}, with "npm run mail" in another terminal:`)
  console.log('  cd examples/mac-registry')
  console.log(`  npx lark jobs:retry ${id} && npx lark jobs:work --stop-when-empty`)
}

/** Prints the command that opens the dashboard on the store of the demo. */
function showDashboard() {
  const { LARK_JOBS_URL: url } = environment
  console.log(`\n${paint('bold', 'To look at all of this in a browser:')}`)
  console.log('  cd examples/mac-registry')
  console.log(`  ${url === undefined ? '' : `LARK_JOBS_URL='${url}' `}npx lark jobs:dashboard`)
}

/** Runs a command of the example, and shows its whole output. */
async function lark(command) {
  announce(`npx lark ${command}`)
  await run(`lark ${command}`, { cwd: example, stdio: 'inherit' })
}

/** @returns the JSON that the command printed */
async function capture(command) {
  return (await run(command, { cwd: example, stdio: ['ignore', 'pipe', 'inherit'] })).toString()
}

/** @throws {Error} if the exit code is not 0; captured output is printed first */
function run(command, options) {
  return new Promise((resolve, reject) => {
    // A shell is needed, because npm's programs are scripts (.cmd) on Windows.
    const child = spawn(command, { ...options, env: environment, shell: true })
    const chunks = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const output = Buffer.concat(chunks)
      if (isInterrupted) return reject(new Error('Interrupted'))
      if (code === 0) return resolve(output)
      process.stderr.write(output)
      reject(new Error(`"${command}" ended with ${signal ?? `exit code ${code}`}`))
    })
  })
}

function announce(command) {
  console.log(`\n${paint('bold', `$ ${command}`)}`)
}

function note(text) {
  console.log(paint('dim', text))
}
