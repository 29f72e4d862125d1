/**
 * The e-mail address of a registrant. The listing publishes none, so the desk makes one of the name, as a careless
 * import would: `Cisco Systems, Inc` of the United States becomes `hostmaster@cisco-systems-inc.us.test`. What the
 * name holds besides letters and the usual punctuation stays, and it is for the mail server to refuse that.
 * All end in `.test`, which is reserved (RFC 2606) and leads nowhere.
 */
import type { User } from './registry'

/** @throws {Error} when the listing names no country for the user */
export function emailAddress(user: User): string {
  if (!user.country) throw new Error(`The registry names no country for ${user.name}`)
  const host = user.name
    .toLowerCase()
    .replace(/[.,'()/&]+/g, ' ')
    .trim()
    .replace(/\s+/g, '-')
  return `hostmaster@${host}.${user.country}.test`
}
