/** Names of time zones that the time zone data of this process contains. */
import { nearest } from '@s18i/lark/internal'
import { shown } from '../../words/secret.ts'
import { isText, Option } from '../schema.ts'

const RIGHT = "the name of a time zone, such as 'Europe/Paris' or 'UTC'"

/** The valid names that were already checked. */
const known = new Set(['UTC'])
let listed: ReadonlySet<string> | undefined

/**
 * A time zone. Offsets (`+01:00`) are refused: an offset has no clock changes, and Node before version 22
 * does not accept offsets.
 */
export const timezone = new Option<string, string>(RIGHT, (value, path, voice) => {
  if (!isText(value) || isZone(value)) return value as string | undefined
  const near = nearest(value, Intl.supportedValuesOf('timeZone'))
  const message = `${voice.name(path)} is ${shown(value)}; it must be ${RIGHT}`
  throw voice.error(message, near === undefined ? undefined : `Did you mean ${near}?`, path)
})

function isZone(name: string): boolean {
  if (known.has(name)) return true
  // The code searches the list of names first, because making the list costs 2 ms of CPU, and the first
  // `Intl.DateTimeFormat` of a process costs 12 ms (Node 20, 2026-11-26). The list lacks older names, so a
  // name that is not in the list still needs a format.
  listed ??= new Set(Intl.supportedValuesOf('timeZone'))
  if (!listed.has(name) && !isFormatted(name)) return false
  known.add(name)
  return true
}

function isFormatted(name: string): boolean {
  if (!/^[a-z]/i.test(name)) return false
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}
