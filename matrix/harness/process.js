// The programs that a row runs, to their end or in the background until the row has ended.
import { spawn } from 'node:child_process'

/** The failure of a row, with the output of the program. */
export class Failure extends Error {
  /**
   * @param {string} message
   * @param {string} [output]
   */
  constructor(message, output = '') {
    super(message)
    this.output = output
  }
}

/** Milliseconds within which a program must end by itself. */
const PATIENCE = 300_000

/** Variables of the caller that would change the store or the output of tools. */
const unset = [
  'REDIS_URL',
  'LARK_JOBS_URL',
  'LARK_CONFIG',
  'NODE_ENV',
  'NODE_OPTIONS',
  'FORCE_COLOR',
  'INIT_CWD',
]

/** @param {Record<string, string | undefined>} more */
function environment(more) {
  const env = { ...process.env, NO_COLOR: '1', CI: '1', ...more }
  for (const name of Object.keys(env))
    if (env[name] === undefined || (unset.includes(name) && !(name in more)) || /^npm_/i.test(name))
      delete env[name]
  return { ...env, npm_config_update_notifier: 'false' }
}

/**
 * @typedef {object} Options
 * @property {string} cwd
 * @property {Record<string, string | undefined>} [env]
 * @property {number} [timeout] milliseconds
 */

/** A running program. */
export class Program {
  #output = ''
  stdout = ''
  stderr = ''
  #heard = () => {}

  /**
   * @param {string} command
   * @param {readonly string[]} args
   * @param {Options} options
   */
  constructor(command, args, { cwd, env = {}, timeout = PATIENCE }) {
    this.name = [command, ...args].join(' ')
    this.child = spawn(command, args, {
      cwd,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const timer = setTimeout(() => this.#kill(), timeout)
    for (const stream of /** @type {const} */ (['stdout', 'stderr']))
      this.child[stream].setEncoding('utf8').on('data', (text) => {
        this[stream] += text
        this.#output += text
        this.#heard()
      })
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', (error) => reject(new Failure(`${command}: ${error.message}`)))
      this.child.on('close', (code, signal) => {
        clearTimeout(timer)
        this.isOver = true
        this.#heard()
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
      })
    })
    // Callers that wait for the end get the error. For a program in the background, nobody waits.
    this.ended.catch(() => this.#heard())
  }

  /** The whole output, in order. */
  get output() {
    return this.#output
  }

  /**
   * Resolves with the match when the output matches.
   *
   * @param {RegExp} pattern
   * @param {number} [timeout] milliseconds
   * @returns {Promise<RegExpExecArray>}
   */
  says(pattern, timeout = 120_000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(this.#failure(`did not say ${pattern} in ${timeout / 1_000} s`)),
        timeout,
      )
      const done = (act) => {
        clearTimeout(timer)
        this.#heard = () => {}
        act()
      }
      this.#heard = () => {
        const match = pattern.exec(this.#output)
        if (match !== null) done(() => resolve(match))
        else if (this.isOver) done(() => reject(this.#failure(`ended without saying ${pattern}`)))
      }
      this.#heard()
    })
  }

  /** Asks the program to end, and kills it if it does not. @param {NodeJS.Signals} [signal] */
  async stop(signal = 'SIGTERM') {
    if (this.isOver) return
    this.#signal(signal)
    const timer = setTimeout(() => this.#kill(), 10_000)
    await this.ended.catch(() => {})
    clearTimeout(timer)
  }

  /** Resolves when the program has ended with exit code 0. @throws {Failure} */
  async succeeds() {
    const { code, signal } = await this.ended
    if (code !== 0) throw this.#failure(signal ? `was ended by ${signal}` : `ended with ${code}`)
    return this
  }

  #kill() {
    this.#signal('SIGKILL')
  }

  // The signal also goes to its children, because a development server has some.
  #signal(signal) {
    try {
      process.kill(-this.child.pid, signal)
    } catch {
      this.child.kill(signal)
    }
  }

  #failure(what) {
    return new Failure(`${this.name.replace(/\S*\//g, '')} ${what}`, this.#output)
  }
}
