/**
 * Runs before all tests. This file embeds the Lua scripts, and starts one Redis server and one Valkey server
 * for all tests, unless `REDIS_URL` and `VALKEY_URL` name other servers. Each test uses its own key prefix,
 * and removes its keys.
 */
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  await embedLua()
  // All temporary files of this run are in one folder, so that files that tests leave behind can be found.
  const folder = mkdtempSync(join(tmpdir(), 'lark-test-run-'))
  process.env.TMPDIR = folder
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
    // Folders that may stay. Since version 22, Node makes the first folder for programs that ask for a
    // compile cache, for example TypeScript.
    const caches = ['node-compile-cache', 'lark-app-caches']
    const leftBehind = () => ({
      folders: readdirSync(folder).filter((name) => !caches.includes(name)),
      processes: processesIn(folder),
    })
    let { folders, processes } = leftBehind()
    // On a busy machine, a process may need a moment to end.
    for (let turn = 0; turn < 100 && folders.length + processes.length > 0; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      ;({ folders, processes } = leftBehind())
    }
    rmSync(folder, { recursive: true, force: true })
    if (folders.length + processes.length === 0) return
    // Vitest reports an error of a teardown, but would exit with 0.
    process.exitCode = 1
    throw new Error(
      `The tests left behind folders (${folders.join(', ')}) or processes (${processes.join(', ')})`,
    )
  }
}

/** Returns the ids of processes that run in a folder. The list is empty on systems without /proc. */
function processesIn(folder: string): string[] {
  if (!existsSync('/proc/self/cwd')) return []
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return ids.filter((id) => {
    try {
      return readlinkSync(`/proc/${id}/cwd`).startsWith(folder)
    } catch {
      return false // The process has ended, or belongs to another user.
    }
  })
}
