/**
 * Faults of a Redis or Valkey server: the server dies, hangs, or refuses calls. The server must be started
 * with `serverArgs`.
 */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Server } from '../../redis/server.ts'
import type { Beat } from '../beat.ts'
import type { FaultKind, Scene } from '../fault.ts'

export interface ServerForm {
  /** When the servers sync their writes to the disk. Default: `always`. */
  fsync?: 'always' | 'everysec' | undefined
  /**
   * Whether the append-only file keeps every write of the run, that is, the server never rewrites the file.
   */
  keep?: boolean | undefined
}

/**
 * The arguments turn on the append-only file, and allow the command with which a fault makes the server load
 * its data again. Each write is synced before its answer, unless the run asks for `everysec`. With
 * `everysec`, a server does not write acknowledged changes to its file while a sync takes long, and a `kill
 * -9` loses these changes (docs/what-can-be-lost.md has figures). `beat.ts` finds out which changes were
 * lost.
 */
export function serverArgs({ fsync = 'always', keep = false }: ServerForm = {}): string[] {
  const file = ['--appendonly', 'yes', '--appendfsync', fsync]
  return [
    ...file,
    '--enable-debug-command',
    'yes',
    ...(keep ? ['--auto-aof-rewrite-percentage', '0', '--aof-timestamp-enabled', 'yes'] : []),
  ]
}

/** Milliseconds after which a script makes the server answer BUSY. */
const BUSY_AFTER = 50
/** Milliseconds that the server takes to load its data again. */
const LOADING = 1_500

/** @param beat finds the writes that the server itself has lost, for which Lark is not responsible */
export function serverFaults(server: Server, beat?: Beat): FaultKind[] {
  const fault = (
    name: string,
    lasts: FaultKind['lasts'],
    begin: (scene: Scene) => Promise<() => Promise<unknown>>,
  ): FaultKind => ({
    name,
    group: 'server',
    lasts,
    async begin(scene: Scene) {
      const end = scene.hit('outage')
      const heal = await begin(scene)
      return async () => {
        await heal()
        end()
      }
    },
  })
  const kill = async ({ hit }: Scene) => {
    await server.kill('SIGKILL')
    const killed = Date.now()
    return async () => {
      await server.start()
      const since = await beat?.lostSince()
      if (since !== undefined) hit('rewound', undefined, Date.now() - since)(killed)
    }
  }
  return [
    fault('kill -9 server', [0.1, 0.5], kill),
    fault('SHUTDOWN server', [0.1, 0.5], async () => {
      await server.kill('SIGTERM')
      return () => server.start()
    }),
    fault('server away', [1.2, 1.6], kill),
    fault('server frozen', [1.2, 1.6], async () => {
      server.signal('SIGSTOP')
      return async () => server.signal('SIGCONT')
    }),
    fault('READONLY', [0.3, 1.2], async () => {
      // The server becomes the replica of a primary that does not exist. So it refuses writes as a replica
      // does, and keeps its data.
      await server.send('REPLICAOF', '127.0.0.1', '1')
      return () => server.send('REPLICAOF', 'NO', 'ONE')
    }),
    fault('OOM', [0.3, 1.2], async () => {
      await server.send('CONFIG', 'SET', 'maxmemory', '1mb')
      return () => server.send('CONFIG', 'SET', 'maxmemory', '0')
    }),
    fault('LOADING', [0, 0], async () => {
      const keys = Number(await server.send('DBSIZE'))
      const delay = String(Math.ceil((LOADING * 1_000) / Math.max(1, keys)))
      await server.send('CONFIG', 'SET', 'loading-process-events-interval-bytes', '1024')
      await server.send('CONFIG', 'SET', 'key-load-delay', delay)
      await told(server, ['DEBUG', 'RELOAD'])
      await server.send('CONFIG', 'SET', 'key-load-delay', '0')
      return async () => {}
    }),
    fault('BUSY', [0.3, 1], async () => {
      await server.send('CONFIG', 'SET', 'busy-reply-threshold', String(BUSY_AFTER))
      const busy = told(server, ['EVAL', 'while true do end', '0'])
      await pause(BUSY_AFTER)
      return async () => {
        await told(server, ['SCRIPT', 'KILL'])
        await busy
      }
    }),
    fault('NOSCRIPT', [0.1, 0.2], async () => {
      await server.send('SCRIPT', 'FLUSH')
      return () => server.send('SCRIPT', 'FLUSH')
    }),
  ]
}

/**
 * Sends one command on a plain connection, and waits for the answer without a time limit, because the client
 * of Lark would give up.
 */
export function told(server: Server, words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data.toString())
    })
    socket.write(
      `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
    )
  })
}
