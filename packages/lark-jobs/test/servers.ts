/**
 * Before any test: embeds the Lua scripts, and starts one Redis and one Valkey for all of them. `REDIS_URL` and
 * `VALKEY_URL` name servers to use instead; tests keep to key prefixes of their own and remove what they made.
 */
import type { TestProject } from 'vitest/node'
import { embedLua } from '../build/embed-lua.js'
import { findBinary, Server } from './redis/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
    valkeyUrl: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  embedLua()
  const servers: Server[] = []
  async function urlOf(binary: string, given: string | undefined): Promise<string> {
    if (given) return given
    await findBinary(binary)
    const server = await Server.start(binary)
    servers.push(server)
    return server.url
  }
  const [redisUrl, valkeyUrl] = await Promise.all([
    urlOf('redis-server', process.env.REDIS_URL),
    urlOf('valkey-server', process.env.VALKEY_URL),
  ])
  project.provide('redisUrl', redisUrl)
  project.provide('valkeyUrl', valkeyUrl)
  return async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
  }
}
