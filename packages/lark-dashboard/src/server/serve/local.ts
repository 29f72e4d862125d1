/**
 * A dashboard for the one person at this machine: a server on the loopback address, and a link with a token
 * that works once. Other programs and other users of this machine have no token, so they cannot see the
 * dashboard.
 *
 * The link begins a session, which has two secrets. Scripts cannot read the cookie, but a browser sends it to
 * every server of this machine. The key is in the fragment of the address, which a browser never sends to a
 * server. The page sends the key in a header.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { userInfo } from 'node:os'
import { LarkError } from '@s18i/lark/config'
import { type Dashboard, type DashboardOptions, dashboard } from '../dashboard.ts'
import { secured } from '../guard/security-headers.ts'
import type { Authorize, Role } from '../guard/viewer.ts'
import { Listening } from './listening.ts'
import { toNode } from './to-node.ts'

const LOOPBACK = '127.0.0.1'
/** Milliseconds for which a session lasts. */
const LASTS = 12 * 3_600_000
const KEY_HEADER = 'x-lark-dashboard-key'
const hint = 'Press Enter where the dashboard was started, and open the link that it prints.'

export interface LocalOptions extends Omit<DashboardOptions, 'authorize' | 'base' | 'hosts'> {
  /** The number of the port. 0 means any free port. */
  port: number
  role: Role
}

interface Session {
  key: string
  /** The time at which the session ends, in milliseconds since 1970. */
  until: number
}

export class LocalDashboard {
  readonly #dashboard: Dashboard
  /** The sessions by the values of their cookies. */
  readonly #sessions = new Map<string, Session>()
  #listening: Listening | undefined
  #token = newSecret()

  private constructor({ port: _, role, ...options }: LocalOptions) {
    const authorize: Authorize = ({ url, headers }) => {
      const session = this.#sessionOf(headers.get('cookie') ?? '')
      // The document of the page is served without the key, because it contains no data, and cannot send the
      // key before it is loaded.
      const isPage = !isAction(new URL(url).pathname)
      if (session !== undefined && (isPage || isSame(headers.get(KEY_HEADER) ?? '', session.key)))
        return { role, user: userName() }
      throw new LarkError('NOT_AUTHORIZED', 'This browser is not let in, or not any more', { hint })
    }
    this.#dashboard = dashboard({ ...options, authorize })
  }

  /** @throws DASHBOARD_UNAVAILABLE */
  static async start(options: LocalOptions): Promise<LocalDashboard> {
    const local = new LocalDashboard(options)
    const answer = toNode(local.#dashboard)
    local.#listening = await Listening.start(
      (request, response) => {
        if (local.#isForeign(request))
          return say(response, 421, 'This dashboard answers on the loopback only\n')
        // The address of a request may be one that `new URL()` refuses.
        const [path, query] = (request.url ?? '/').split('?', 2)
        const token = new URLSearchParams(query).get('token')
        if (token !== null && path === '/') return local.#enter(response, token)
        const isPage = request.method === 'GET' && path!.startsWith('/') && !isAction(path!)
        if (isPage && local.#sessionOf(request.headers.cookie ?? '') === undefined)
          return say(response, 401, `This browser is not let in, or not any more. ${hint}\n`)
        void answer(request, response)
      },
      { host: LOOPBACK, port: options.port },
    )
    return local
  }

  /** A link that works once. */
  get link(): string {
    return `${this.url}?token=${this.#token}`
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.#port}/`
  }

  async close(): Promise<void> {
    await this.#dashboard.close()
    await this.#listening?.[Symbol.asyncDispose]()
  }

  get #port(): number {
    return this.#listening?.port ?? 0
  }

  /**
   * A browser does not distinguish cookies by port, so two dashboards of a machine need cookies with
   * different names.
   */
  get #cookie(): string {
    return `lark-dashboard-${this.#port}`
  }

  /** Whether the request names another host. A forged name server may have directed such a request here. */
  #isForeign({ headers }: IncomingMessage): boolean {
    return !['127.0.0.1', 'localhost', '[::1]'].some((name) => headers.host === `${name}:${this.#port}`)
  }

  #enter(response: ServerResponse, token: string): void {
    if (!isSame(token, this.#token))
      return void say(
        response,
        403,
        'This link has been used. For a new one, press Enter in the terminal of the dashboard.\n',
      )
    this.#token = newSecret()
    const [name, key] = [newSecret(), newSecret()]
    this.#sessions.set(name, { key, until: Date.now() + LASTS })
    const cookie = `${this.#cookie}=${name}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${LASTS / 1_000}`
    const location = `./#key=${key}`
    response.writeHead(303, { location, 'set-cookie': cookie, 'cache-control': 'no-store', ...secured })
    response.end()
  }

  #sessionOf(cookies: string): Session | undefined {
    for (const [name, { until }] of this.#sessions) if (until <= Date.now()) this.#sessions.delete(name)
    return this.#sessions.get(cookieOf(cookies, this.#cookie) ?? '')
  }
}

/**
 * Whether a path is the path of an action. As in the dashboard, the path may have several slashes in a row.
 */
function isAction(path: string): boolean {
  return /^\/*api\//.test(path)
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...secured })
  response.end(text)
}

function newSecret(): string {
  return randomBytes(24).toString('base64url')
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function cookieOf(header: string, name: string): string | undefined {
  for (const part of header.split(/;\s*/)) if (part.startsWith(`${name}=`)) return part.slice(name.length + 1)
  return undefined
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'local'
  }
}
