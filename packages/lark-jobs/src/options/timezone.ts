/**
 * Names of time zones, as the data of this process knows them.
 */
import { nearest } from '@s18i/lark/config'
import { shown } from '../model/secret.ts'
import { isText, Option } from './schema.ts'

const RIGHT = "the name of a time zone, such as 'Europe/Paris' or 'UTC'"

/** Names that were found to be right: to check one takes some 40 µs. */
const known = new Set<string>()

/** A time zone. Offsets (`+01:00`) are refused: they have no clock changes, and Node knows them only since 22. */
export const timezone = new Option<string, string>(RIGHT, (value, path, voice) => {
  if (!isText(value) || isZone(value)) return value as string | undefined
  const near = nearest(value, Intl.supportedValuesOf('timeZone'))
  const message = `${voice.name(path)} is ${shown(value)}; it must be ${RIGHT}`
  throw voice.error(message, near === undefined ? undefined : `Did you mean ${near}?`, path)
})

function isZone(name: string): boolean {
  if (known.has(name)) return true
  if (!/^[a-z]/i.test(name)) return false
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
  } catch {
    return false
  }
  known.add(name)
  return true
}
