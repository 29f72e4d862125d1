/** Names of time zones that the time zone data of this process contains. */
import { nearest } from '@s18i/lark/internal'
import { shown } from '../../words/secret.ts'
import { isText, Option } from '../schema.ts'

const RIGHT = "the name of a time zone, such as 'Europe/Paris' or 'UTC'"

/** Names that were checked and are valid. */
const known = new Set(['UTC'])
let listed: ReadonlySet<string> | undefined

/**
 * A time zone. Offsets (`+01:00`) are refused: they have no clock changes, and Node knows them only since 22.
 */
export const timezone = new Option<string, string>(RIGHT, (value, path, voice) => {
  if (!isText(value) || isZone(value)) return value as string | undefined
  const near = nearest(value, Intl.supportedValuesOf('timeZone'))
  const message = `${voice.name(path)} is ${shown(value)}; it must be ${RIGHT}`
  throw voice.error(message, near === undefined ? undefined : `Did you mean ${near}?`, path)
})

function isZone(name: string): boolean {
  if (known.has(name)) return true
  // The list is checked first, because it costs 2 ms of CPU, and the first format of a process costs 12 ms
  // (Node 20, 2026-11-26). The list lacks older names, so a format may be needed after all.
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
