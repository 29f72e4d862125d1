/**
 * Limits how much of an external text a message shows. An external name may have a megabyte, and a message
 * with the whole name would be printed and logged.
 */

/** The maximum number of characters that a message quotes of one text. */
const QUOTED = 80
/** The maximum number of characters of a whole message, and of a hint. */
const MESSAGE = 10_000

/** The part of a text that a message quotes: the beginning of a long text, or the whole of a short text. */
export function excerpt(text: string): string {
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text
}

/** Shortens a message that is far too long: the middle is left out. */
export function boundedMessage(text: string): string {
  if (text.length <= MESSAGE) return text
  const side = MESSAGE / 2 - 50
  return `${text.slice(0, side)} … (${text.length} characters) … ${text.slice(-side)}`
}
