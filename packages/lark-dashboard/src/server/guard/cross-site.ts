/**
 * Decides which requests are refused even before `authorize` is called. A page of another site can make the
 * browser of a logged-in person send requests to the dashboard, and a forged name server can make another
 * host name point to this server.
 */

/** The only methods that the dashboard accepts. */
export const methods: readonly string[] = ['GET', 'HEAD', 'POST']

/** The status and the text of the answer to a refused request. */
export interface Refusal {
  status: number
  code: string
  message: string
}

export interface RequestRules {
  /**
   * The host names by which the dashboard may be called. A name without a port stands for all ports. If
   * undefined, every name is accepted.
   */
  hosts: readonly string[] | undefined
}

/** @returns undefined if the request is not refused */
export function refusalOf(request: Request, url: URL, { hosts }: RequestRules): Refusal | undefined {
  const { method, headers } = request
  if (!methods.includes(method))
    return { status: 405, code: 'METHOD_REFUSED', message: `${method} is refused: there are GET and POST` }
  // A `Request` has no user name and password, but objects that some servers pass as a `Request` may.
  if (url.username !== '' || url.password !== '')
    return { status: 400, code: 'REQUEST_INVALID', message: 'The address of the request has a password' }
  const host = headers.get('host') ?? url.host
  if (hosts !== undefined && !hosts.includes(host) && !hosts.includes(host.replace(/:\d+$/, '')))
    return {
      status: 421,
      code: 'HOST_REFUSED',
      message: 'The dashboard does not answer requests to this host',
    }
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const foreign = { status: 403, code: 'ORIGIN_REFUSED', message: 'The request comes from another site' }
  if (origin !== null && hostOf(origin) !== host) return foreign
  if (method === 'POST') {
    if (site !== null ? site !== 'same-origin' : origin === null) return foreign
    const type = headers.get('content-type') ?? ''
    if (!/^application\/json\s*(;|$)/i.test(type))
      return { status: 415, code: 'TYPE_REFUSED', message: 'The body must be application/json' }
    return undefined
  }
  // Another site may link to the dashboard, but must not load it as a script or an image.
  const isLink = headers.get('sec-fetch-mode') === 'navigate' && headers.get('sec-fetch-dest') === 'document'
  if (site === null || site === 'same-origin' || site === 'none' || isLink) return undefined
  return foreign
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}
