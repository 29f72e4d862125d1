/**
 * The Redis server of the benchmark: a new server without persistence on a free port of this machine, or the
 * server that REDIS_URL names. This file also has a separate connection with which the benchmark asks the
 * server for its CPU time and its memory.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** @returns {Promise<{ url: string, kill(): void }>} */
export async function startRedis() {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'lark-bench-'))
  const server = spawn(
    'redis-server',
    ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', folder],
    { stdio: 'ignore' },
  )
  const failed = once(server, 'error').then(([error]) => {
    throw new Error(`redis-server cannot be started (${error.message}). Install it, or set REDIS_URL.`)
  })
  const url = `redis://127.0.0.1:${port}/0`
  await Promise.race([failed, answers(url)])
  return {
    url,
    kill() {
      server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function answers(url) {
  for (;;) {
    try {
      return (await Probe.open(url)).close()
    } catch {
      await pause(50)
    }
  }
}

function encode(words) {
  const text = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')
  return `*${words.length}\r\n${text}`
}

/**
 * A connection that sends one command after the other, and parses only the kinds of answers that the
 * benchmark needs.
 */
export class Probe {
  #socket

  static async open(url) {
    const { hostname, port, username, password, pathname } = new URL(url)
    const probe = new Probe()
    probe.#socket = connect({ host: hostname, port: Number(port || 6379), noDelay: true })
    await once(probe.#socket, 'connect')
    if (password) await probe.ask(['AUTH', ...(username ? [username] : []), decodeURIComponent(password)])
    if (pathname.length > 1) await probe.ask(['SELECT', pathname.slice(1)])
    return probe
  }

  /** Sends a command. @returns the text of the answer: a line, or a bulk string */
  async ask(words) {
    this.#socket.write(encode(words))
    let answer = ''
    for (;;) {
      const [chunk] = await once(this.#socket, 'data')
      answer += chunk
      const [head] = answer.split('\r\n', 1)
      if (head.startsWith('-')) throw new Error(head.slice(1))
      if (head.startsWith('$')) {
        const body = answer.slice(head.length + 2)
        if (Buffer.byteLength(body) >= Number(head.slice(1)) + 2) return body.slice(0, -2)
      } else if (answer.endsWith('\r\n')) return head.slice(1)
    }
  }

  /** Sends a command `times` times, a hundred at once, and ignores the answers. */
  async repeat(times, make) {
    for (let n = 0; n < times; n += 100) {
      const together = Array.from({ length: Math.min(100, times - n) }, (_, i) => encode(make(n + i)))
      this.#socket.write(together.join('') + encode(['ECHO', 'the last']))
      let answer = ''
      while (!answer.endsWith('the last\r\n')) {
        const [chunk] = await once(this.#socket, 'data')
        answer = (answer + chunk).slice(-100)
      }
    }
  }

  async info(section, field) {
    const text = await this.ask(['INFO', section])
    return new RegExp(`^${field}:(.*)$`, 'm').exec(text)?.[1].trim()
  }

  /** Returns the CPU time that the server has used since its start, in microseconds. */
  async cpu() {
    const [system, user] = [await this.info('cpu', 'used_cpu_sys'), await this.info('cpu', 'used_cpu_user')]
    return (Number(system) + Number(user)) * 1e6
  }

  /**
   * Returns the memory of the server in bytes, without the memory of its Lua interpreter, because the amount
   * of garbage in the interpreter varies.
   */
  async memory() {
    const scripts = (await this.info('memory', 'used_memory_vm_eval')) ?? 0
    return (await this.info('memory', 'used_memory')) - scripts
  }

  close() {
    this.#socket.destroy()
  }
}
