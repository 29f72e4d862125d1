/**
 * The person who looks at the dashboard, and the rights of this person.
 *
 *   read      sees everything except payloads, results and progress
 *   operate   may also retry, cancel, run now, pause, resume and dispatch
 *   admin     also sees payloads, and may make changes that cannot be undone: edit, remove and purge
 */
import { LarkError } from '@s18i/lark/config'

/** Each role includes the rights of the roles before it. */
export const roles = ['read', 'operate', 'admin'] as const
export type Role = (typeof roles)[number]

export interface Viewer {
  role: Role
  /** The name of the viewer in the audit, such as an e-mail address. */
  user: string
  /**
   * Whether the viewer sees payloads, results and progress, which may contain data of your customers.
   * Default: only if the role is `admin`. All viewers see errors and logs.
   */
  payloads?: boolean
}

/** Returns the person who has sent a request, or undefined if this person may not see the dashboard. */
export type Authorize = (request: Request) => Viewer | undefined | null | Promise<Viewer | undefined | null>

/** The maximum number of characters of a user's name that are kept. */
const LONGEST_USER = 200

/** A viewer with every field filled in. */
export interface KnownViewer extends Required<Viewer> {}

/** @throws VIEWER_INVALID if the value that `authorize` returned is not a viewer */
export function knownViewer(given: Viewer): KnownViewer {
  const { role, user, payloads = role === 'admin' } = given
  if (!roles.includes(role)) throw invalid('role', role, roles.map((each) => `'${each}'`).join(', '))
  if (typeof user !== 'string' || user === '') throw invalid('user', user, 'a text that is not empty')
  if (typeof payloads !== 'boolean') throw invalid('payloads', payloads, 'true or false')
  return { role, user: user.slice(0, LONGEST_USER), payloads }
}

/** Whether a viewer is still the same person with the same rights. @throws VIEWER_INVALID */
export function isSame({ role, user, payloads }: KnownViewer, given: Viewer | undefined | null): boolean {
  if (!given) return false
  const now = knownViewer(given)
  return now.role === role && now.user === user && now.payloads === payloads
}

export function mayDo(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}

function invalid(field: string, value: unknown, right: string): LarkError {
  const given = typeof value === 'string' ? `'${value.slice(0, 40)}'` : String(value)
  return new LarkError('VIEWER_INVALID', `authorize() returned the ${field} ${given}; it must be ${right}`)
}
