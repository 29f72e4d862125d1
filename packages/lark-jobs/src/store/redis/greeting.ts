/**
 * The first words with a server: whether it is new enough, whether its layout is ours, and what its operator should
 * know.
 */
import { JobsError } from '../../errors.ts'
import type { Connection } from './connection.ts'
import { Refusal } from './failure.ts'
import { type Keys, LAYOUT } from './keys.ts'

/** LPOP with a count, SMISMEMBER, ZRANGE BYSCORE. */
const OLDEST = [6, 2] as const

/**
 * @returns warnings, one line each
 * @throws STORE_INVALID for a server that is too old, LAYOUT_UNKNOWN
 */
export async function greet(connection: Connection, keys: Keys): Promise<string[]> {
  const info = await readInfo(connection)
  checkVersion(connection.name, info.get('redis_version'))
  await checkLayout(connection, keys.meta('layout'))
  return warnings(connection.name, info)
}

/** Empty where the user may not ask. */
async function readInfo(connection: Connection): Promise<Map<string, string>> {
  try {
    const text = String(await connection.send(['INFO']))
    return new Map([...text.matchAll(/^(\w+):(.*)\r$/gm)].map(([, name, value]) => [name!, value!]))
  } catch (error) {
    const cause = error instanceof JobsError ? error.cause : error
    if (cause instanceof Refusal && cause.word === 'NOPERM') return new Map()
    throw error
  }
}

function checkVersion(store: string, version: string | undefined): void {
  if (version === undefined) return
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return
  throw new JobsError('STORE_INVALID', `${store} is Redis ${version}`, {
    hint: `Lark needs Redis ${OLDEST.join('.')} or newer, or Valkey`,
  })
}

async function checkLayout(connection: Connection, key: string): Promise<void> {
  let layout = await connection.send(['GET', key])
  if (layout === null) {
    await connection.send(['SET', key, LAYOUT, 'NX'])
    layout = await connection.send(['GET', key])
  }
  if (layout === LAYOUT) return
  throw new JobsError(
    'LAYOUT_UNKNOWN',
    `${connection.name} has layout ${layout}; this Lark knows ${LAYOUT}`,
    {
      hint: `Use the version of Lark that made it, or another database or prefix (the layout is kept in ${key})`,
    },
  )
}

function warnings(store: string, info: Map<string, string>): string[] {
  const policy = info.get('maxmemory_policy')
  const bounded = Number(info.get('maxmemory') ?? 0) > 0
  return [
    ...(bounded && policy !== 'noeviction'
      ? [`${store} drops jobs when its memory is full: maxmemory-policy is ${policy}, set it to noeviction`]
      : []),
    ...(info.get('aof_enabled') === '0'
      ? [`${store} loses the newest jobs if it crashes: it keeps no append-only file (appendonly yes)`]
      : []),
  ]
}
