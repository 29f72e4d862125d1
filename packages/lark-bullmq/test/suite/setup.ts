/** Runs before the tests of a file of BullMQ, and sets up their connections and the list of refusals. */
import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { beforeEach } from 'vitest'
import { suiteRun } from './run.ts'

interface Factory {
  setConnectionFactory(factory: (options?: { host?: string; port?: number }) => unknown): void
}

const { folder, on, store } = suiteRun()
const factory: Factory = await import(
  /* @vite-ignore */ pathToFileURL(join(folder, 'tests/utils/connection-factory.ts')).href
)
factory.setConnectionFactory((options) => (on === 'lark' ? onLark(options) : onBullmq(options)))

/** Stands for a connection to Redis if the jobs are in a file. The tests send nothing to it. */
class Unused extends EventEmitter {
  status = 'ready'

  constructor() {
    super()
    setImmediate(() => this.emit('ready'))
  }

  async quit(): Promise<void> {
    this.disconnect()
  }

  disconnect(): void {
    this.status = 'end'
    setImmediate(() => this.emit('end'))
  }
}

function redis({ host, port }: { host?: string; port?: number } = {}): Redis {
  const { hostname, port: own } = new URL(store)
  return new Redis({ host: host ?? hostname, port: port ?? Number(own), maxRetriesPerRequest: null })
}

function onLark(options?: { host?: string; port?: number }): unknown {
  return store.startsWith('redis') ? redis(options) : new Unused()
}

function onBullmq(options?: { host?: string; port?: number }): unknown {
  const require = createRequire(import.meta.url)
  const classes = join(dirname(require.resolve('bullmq/package.json')), 'dist/cjs/classes')
  return require(join(classes, 'ioredis-client.js')).createIORedisClient(redis(options))
}

if (on === 'lark') {
  const { noted } = await import('./refusals.ts')
  beforeEach(({ task }) => {
    ;(task.meta as { refusals?: string[] }).refusals = noted()
  })
}
