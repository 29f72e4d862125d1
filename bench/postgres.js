/**
 * Starts a PostgreSQL server, if its programs are installed. The server does not wait until data is on the
 * disk, because the Redis server of the benchmark does not write to the disk either.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './redis.js'

/**
 * @returns {Promise<{ url: string, version: string, kill(): void } | undefined>} undefined if PostgreSQL is
 * not installed
 */
export async function startPostgres() {
  const programs = findPrograms()
  const user = unprivileged()
  if (programs === undefined || user === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'lark-bench-'))
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid)
  const options = { ...user, cwd: folder, stdio: 'ignore' }
  const made = spawnSync(join(programs, 'initdb'), ['-D', 'data', '-U', 'bench', '-A', 'trust'], options)
  if (made.status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    return undefined
  }
  const port = await freePort()
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${folder}`,
    'fsync=off',
    'synchronous_commit=off',
    'full_page_writes=off',
    'shared_buffers=512MB',
  ]
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', 'data', ...settings.flatMap((each) => ['-c', each])],
    options,
  )
  await isReady(folder)
  const { stdout } = spawnSync(join(programs, 'postgres'), ['--version'], { encoding: 'utf8' })
  return {
    version: /\d[\d.]*/.exec(stdout)?.[0],
    url: `postgres://bench@127.0.0.1:${port}/postgres`,
    kill() {
      server.kill('SIGINT')
      // The server is about to end, so it does not matter that its writes fail.
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
    },
  }
}

function findPrograms() {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => b - a) : []
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/**
 * PostgreSQL refuses to run as root.
 *
 * @returns the ids of the user that runs the server, if this process runs as root; undefined if there is no
 *   such user
 */
function unprivileged() {
  if (process.getuid?.() !== 0) return {}
  const id = (flag) =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim() || Number.NaN)
  const [uid, gid] = [id('-u'), id('-g')]
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid, gid } : undefined
}

/**
 * Whether the server accepts connections. A server may listen before it accepts connections. The pid file of
 * the server says when the server accepts connections.
 */
async function isReady(folder) {
  const file = join(folder, 'data', 'postmaster.pid')
  while (!existsSync(file) || !readFileSync(file, 'utf8').includes('ready')) await pause(100)
}
