/**
 * Limits how much of an external text a message shows. Somebody may send a name of a megabyte, and the
 * message is printed, logged, and sent to others.
 */

/** The most characters that a message quotes of one text. */
const QUOTED = 80
/** The most characters of a whole message, and of a hint. */
const MESSAGE = 10_000

/** A text as a message quotes it: its beginning, if it is long. */
export function excerpt(text: string): string {
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text
}

/** A message without its middle, if it is far too long. */
export function boundedMessage(text: string): string {
  if (text.length <= MESSAGE) return text
  const side = MESSAGE / 2 - 50
  return `${text.slice(0, side)} … (${text.length} characters) … ${text.slice(-side)}`
}
