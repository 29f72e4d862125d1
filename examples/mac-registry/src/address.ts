/**
 * The e-mail address of a registrant. The listing contains no e-mail addresses, so the application makes an
 * address from the name, as a careless import would: `Cisco Systems, Inc` of the United States becomes
 * `hostmaster@cisco-systems-inc.us.test`. Unusual characters of the name stay in the address, so that the
 * mail server refuses it. All addresses end in `.test`, which is reserved (RFC 2606) and leads nowhere.
 */
import type { User } from './registry'

/** @throws {Error} if the listing names no country for the user */
export function emailAddress(user: User): string {
  if (!user.country) throw new Error(`The registry names no country for ${user.name}`)
  const host = user.name
    .toLowerCase()
    .replace(/[.,'()/&]+/g, ' ')
    .trim()
    .replace(/\s+/g, '-')
  return `hostmaster@${host}.${user.country}.test`
}
