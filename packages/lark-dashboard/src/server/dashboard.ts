/**
 * The dashboard as a function from a request to an answer, for every server that speaks the web's `fetch`.
 */
import { LarkError } from '@s18i/lark/config'
import { defined } from '@s18i/lark/internal'
import type { Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import type { Act } from './action.ts'
import { type ActionName, actions } from './actions.ts'
import { Underway } from './change/underway.ts'
import { Undos } from './change/undo.ts'
import { refusalOf } from './guard/cross-site.ts'
import { inputOf, type Shape } from './guard/input.ts'
import { secured } from './guard/security-headers.ts'
import { type Authorize, isSame, knownViewer, mayDo } from './guard/viewer.ts'
import { Failing } from './look/failing.ts'
import { FollowedJobs } from './look/followed-jobs.ts'
import { Live } from './look/live.ts'
import { Past } from './look/past.ts'
import { Suggesting } from './look/suggestions.ts'
import { Troubles } from './look/troubles.ts'
import { isPacked, packed, packedHeaders } from './packed.ts'
import { type DashboardEnvironment, Page } from './page.ts'
import { Searches, searched } from './searches.ts'
import { Streams, streamed } from './streams.ts'

/** The maximum number of characters of a body. The longest body is an edited payload. */
const LONGEST_BODY = 2 * 1024 * 1024
/** The maximum number of characters of the input of an action that only reads. */
const LONGEST_INPUT = 8 * 1024

export interface DashboardOptions {
  /**
   * The instance whose store the dashboard shows. Default: the default instance, with the configuration of
   * `lark.config`.
   */
  jobs?: Jobs
  /**
   * Returns the person who sends a request, with the rights of this person. Without `authorize`,
   * `dashboard()` throws an error.
   */
  authorize: Authorize
  /**
   * The path below which the dashboard is, such as `/admin/jobs`. Default: the path at which the server has
   * mounted the dashboard, or `/` if the server does not pass this path on.
   */
  base?: string
  /**
   * The installation that this dashboard belongs to, such as `{ name: 'production', colour: 'red' }`. Each
   * page shows the name.
   */
  environment?: DashboardEnvironment
  /**
   * The host names by which the dashboard may be called, such as `['admin.example.com']`. A name without a
   * port stands for all ports. Default: any name. Needed if `authorize` trusts a header that a proxy sets.
   */
  hosts?: readonly string[]
}

/**
 * The key of a method. `toNode()` passes to it the path at which a server has mounted the dashboard.
 * @internal
 */
export const mountedAt: unique symbol = Symbol('@s18i/lark-dashboard: mounted at')

/** Answers requests. `fetch` is a function that a server can use directly. */
export interface Dashboard extends AsyncDisposable {
  (request: Request): Promise<Response>
  /** Ends the streams of open browsers. The `Jobs` instance is not closed. */
  close(): Promise<void>
  /** @param request makes the request, or throws an error that says why the request is refused @internal */
  [mountedAt](request: () => Request, base: string): Promise<Response>
}

/**
 * Makes the dashboard of a store. Its `fetch(Request)` is for Hono, Next.js, Bun and Deno. `toNode()` turns
 * the dashboard into a handler for Express, Fastify, Koa and Nest.
 *
 * @throws DASHBOARD_OPEN without `authorize`; DASHBOARD_INVALID if another option has a wrong value;
 *   OPERATE_INVALID
 * @example
 * const authorize = (request: Request) => (isStaff(request) ? { role: 'operate', user: 'ada@example.com' } : undefined)
 * app.mount('/admin/jobs', dashboard({ authorize, base: '/admin/jobs' }))
 */
export function dashboard(options: DashboardOptions): Dashboard {
  const served = new Served(checked(options))
  const answer = (request: Request) => served.answer(() => request, undefined)
  return Object.assign(answer, {
    close: async () => served.close(),
    [mountedAt]: (request: () => Request, base: string) => served.answer(request, base),
    [Symbol.asyncDispose]: async () => served.close(),
  })
}

class Served {
  readonly #options: DashboardOptions
  readonly #page: Page
  readonly #live: Live
  readonly #past: Past
  readonly #failing: Failing
  readonly #suggesting: Suggesting
  readonly #streams: Streams
  readonly #searches = new Searches()
  readonly #undos = new Undos()
  readonly #underway = new Underway()
  readonly #troubles = new Troubles()

  constructor(options: DashboardOptions) {
    this.#options = options
    this.#page = new Page(options.environment)
    const looking = operate(options.jobs)
    this.#live = new Live(looking)
    this.#past = new Past(looking)
    this.#failing = new Failing(looking)
    this.#suggesting = new Suggesting(looking, this.#failing)
    this.#streams = new Streams(this.#live, new FollowedJobs(looking))
  }

  async answer(request: () => Request, mounted: string | undefined): Promise<Response> {
    try {
      return await this.#answer(request(), this.#options.base ?? mounted ?? '')
    } catch (error) {
      return failed(error)
    }
  }

  close(): void {
    this.#streams.close()
    this.#searches.close()
    this.#live.close()
    this.#failing.close()
    this.#undos.clear()
    this.#underway.close()
  }

  async #answer(request: Request, given: string): Promise<Response> {
    const base = given.replace(/\/+$/, '')
    const url = new URL(request.url)
    const refusal = refusalOf(request, url, { hosts: this.#options.hosts })
    if (refusal !== undefined) return refuse(refusal.status, refusal.code, refusal.message)
    // Some servers remove the mount path of the dashboard from the address of a request.
    const isBelow = url.pathname === base || url.pathname.startsWith(`${base}/`)
    const path = (isBelow ? url.pathname.slice(base.length) : url.pathname).replace(/^\/+/, '')
    const file = await this.#page.file(path, request)
    if (file !== undefined) return file
    const known = await this.#options.authorize(request)
    if (!known)
      return refuse(401, 'NOT_AUTHORIZED', 'authorize() of the dashboard does not let this request in')
    const viewer = knownViewer(known)
    if (!path.startsWith('api/')) return await this.#page.document(request, base)
    const name = path.slice('api/'.length)
    if (name === 'live') {
      if (request.method !== 'GET') return refuse(405, 'METHOD_REFUSED', 'The stream is a GET')
      const isStill = async () => isSame(viewer, await this.#options.authorize(request))
      return this.#streams.open(request, viewer, inputOf(streamed, queryOf(url)), isStill)
    }
    if (name === 'search') {
      if (request.method !== 'GET') return refuse(405, 'METHOD_REFUSED', 'The stream is a GET')
      const isStill = async () => isSame(viewer, await this.#options.authorize(request))
      const looking = operate(this.#options.jobs)
      return await this.#searches.open(request, viewer, inputOf(searched, queryOf(url)), looking, isStill)
    }
    if (!Object.hasOwn(actions, name))
      return refuse(404, 'ACTION_UNKNOWN', 'The dashboard has no such action')
    const action = actions[name as ActionName]
    if (action.changes !== (request.method === 'POST'))
      return refuse(405, 'METHOD_REFUSED', `This action is a ${action.changes ? 'POST' : 'GET'}`)
    if (!mayDo(viewer.role, action.role))
      return refuse(
        403,
        'ROLE_REFUSED',
        `${viewer.user} has the role ${viewer.role}; this needs ${action.role}`,
      )
    const takes: Shape<object> = action.takes
    const input = inputOf(takes, action.changes ? await bodyOf(request) : queryOf(url))
    const actor = { name: viewer.user, from: 'dashboard' } as const
    const from: Act = {
      operate: operate(this.#options.jobs, { actor }),
      viewer,
      live: this.#live,
      past: this.#past,
      failing: this.#failing,
      suggesting: this.#suggesting,
      undos: this.#undos,
      underway: this.#underway,
      troubles: this.#troubles,
    }
    const run = action.run as (act: Act, input: object) => Promise<unknown>
    return await found(request, (await run(from, input)) ?? null)
  }
}

/**
 * @throws BODY_TOO_LARGE; INPUT_INVALID if the browser disconnects while it sends the body, or if the server
 *   has already read the body
 */
async function bodyOf(request: Request): Promise<string> {
  const tooLarge = () => new LarkError('BODY_TOO_LARGE', `The body has more than ${LONGEST_BODY} bytes`)
  if (Number(request.headers.get('content-length') ?? 0) > LONGEST_BODY) throw tooLarge()
  let text = ''
  const decoder = new TextDecoder()
  try {
    for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > LONGEST_BODY) throw tooLarge()
    }
  } catch (cause) {
    if (LarkError.is(cause)) throw cause
    throw new LarkError('INPUT_INVALID', 'The body of the request broke off', { cause })
  }
  return text + decoder.decode() || '{}'
}

/** @throws BODY_TOO_LARGE */
function queryOf({ searchParams }: URL): string {
  const input = searchParams.get('input') ?? '{}'
  if (input.length > LONGEST_INPUT)
    throw new LarkError('BODY_TOO_LARGE', `The input has more than ${LONGEST_INPUT} characters`)
  return input
}

const statuses: Readonly<Record<string, number>> = {
  NOT_AUTHORIZED: 401,
  METHOD_REFUSED: 405,
  BODY_TOO_LARGE: 413,
  VALUES_REFUSED: 403,
  JOB_NOT_FOUND: 404,
  FLOW_NOT_FOUND: 404,
  SCHEDULE_NOT_FOUND: 404,
  CHANGE_NOT_FOUND: 404,
  UNKNOWN_QUEUE: 404,
  UNDO_GONE: 410,
  CHANGE_GONE: 410,
  TOO_MANY_CHANGES: 429,
  TOO_MANY_STREAMS: 429,
  STORE_UNREACHABLE: 503,
  STORE_UNCERTAIN: 503,
  VIEWER_INVALID: 500,
}

/**
 * The answer to an error. The answer to an unexpected error does not contain the text of the error, because
 * the text may contain any data. The log of the server has the text.
 */
function failed(error: unknown): Response {
  if (LarkError.is(error)) {
    // The name of the method is removed, because the viewer has called no method: `Jobs.list(): since is …`
    // becomes `since is …`.
    const message = error.message.replace(/^(Jobs|operate\(\))\.[\w.]+\(\): /, '')
    return refuse(statuses[error.code] ?? 400, error.code, message, error.hint)
  }
  console.error('@s18i/lark-dashboard:', error)
  return refuse(500, 'DASHBOARD_FAULT', 'The dashboard has a fault; the log of its server says which')
}

function refuse(status: number, code: string, message: string, hint?: string): Response {
  return answered(status, { code, message, ...defined({ hint }) })
}

const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', ...secured }

function answered(status: number, value: unknown): Response {
  return new Response(JSON.stringify(value), { status, headers })
}

/** The answer of an action. */
async function found(request: Request, value: unknown): Promise<Response> {
  const text = JSON.stringify(value)
  if (!isPacked(request, text)) return new Response(text, { headers })
  return new Response(await packed(text), { headers: { ...headers, ...packedHeaders } })
}

/** @throws DASHBOARD_OPEN, DASHBOARD_INVALID */
function checked(options: DashboardOptions): DashboardOptions {
  const { authorize, base = '', hosts } = options ?? {}
  if (typeof authorize !== 'function')
    throw new LarkError(
      'DASHBOARD_OPEN',
      'dashboard() needs authorize(request): without it, everybody could cancel jobs',
      {
        hint: 'On your own machine, `lark jobs:dashboard` opens one for you alone.',
      },
    )
  if (typeof base !== 'string' || !/^(\/[\w.~-]+)*\/?$/.test(base))
    throw invalid('base', base, "a path such as '/admin/jobs'")
  if (hosts !== undefined && !(Array.isArray(hosts) && hosts.every((host) => typeof host === 'string')))
    throw invalid('hosts', hosts, "a list of names such as 'admin.example.com'")
  return options
}

function invalid(option: string, value: unknown, right: string): LarkError {
  return new LarkError(
    'DASHBOARD_INVALID',
    `dashboard(): ${option} is ${JSON.stringify(value)}; it must be ${right}`,
  )
}
