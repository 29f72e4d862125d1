/**
 * A dashboard for the one person at this machine: a server on the loopback, and a link with a token that works once. A
 * page that another program of this machine opens, or another user, has no token and sees nothing.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { userInfo } from 'node:os'
import { type Dashboard, type DashboardOptions, dashboard } from './dashboard.ts'
import { Listening } from './listening.ts'
import { secured } from './secured.ts'
import { toNode } from './to-node.ts'
import type { Authorize, Role } from './viewer.ts'

const LOOPBACK = '127.0.0.1'

export interface LocalOptions extends Omit<DashboardOptions, 'authorize' | 'base' | 'hosts'> {
  /** 0: one that is free. */
  port: number
  role: Role
}

export class LocalDashboard {
  readonly #dashboard: Dashboard
  readonly #sessions = new Set<string>()
  #listening: Listening | undefined
  #token = newSecret()

  private constructor({ port: _, role, ...options }: LocalOptions) {
    const authorize: Authorize = (request) => {
      const session = cookieOf(request.headers.get('cookie') ?? '', this.#cookie)
      if (session === undefined || !this.#sessions.has(session)) return undefined
      return { role, user: userName() }
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
        // Not every address of a request is a `URL`.
        const [path, query] = (request.url ?? '/').split('?', 2)
        const token = new URLSearchParams(query).get('token')
        if (token !== null && path === '/') return local.#enter(response, token)
        void answer(request, response)
      },
      { host: LOOPBACK, port: options.port },
    )
    return local
  }

  /** A link that lets in once. */
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

  /** Cookies do not know ports: two dashboards of a machine must not take each other's. */
  get #cookie(): string {
    return `lark-dashboard-${this.#port}`
  }

  /** Another name may lead here, by a name server that lies. */
  #isForeign({ headers }: IncomingMessage): boolean {
    return !['127.0.0.1', 'localhost', '[::1]'].some((name) => headers.host === `${name}:${this.#port}`)
  }

  #enter(response: ServerResponse, token: string): void {
    if (!isSame(token, this.#token))
      return void say(
        response,
        403,
        'This link has been used. Press Enter where the dashboard was started for a new one.\n',
      )
    this.#token = newSecret()
    const session = newSecret()
    this.#sessions.add(session)
    const cookie = `${this.#cookie}=${session}; HttpOnly; SameSite=Strict; Path=/`
    response.writeHead(303, { location: './', 'set-cookie': cookie, 'cache-control': 'no-store', ...secured })
    response.end()
  }
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
