/** The beginning of a JSON text, with indentation. Commands show payloads and results in this form. */

/** The maximum number of characters of a JSON text that are shown, and the maximum number of lines. */
export const EXCERPT = 8_000
const LINES = 200
/** The maximum number of levels of nesting that are indented. Deeper levels keep the last indentation. */
const DEEPEST = 20

/** A token of JSON. If a string was cut off, the token is its beginning. */
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^"{}[\],:]+/gs

/**
 * Indents JSON for people, and returns only the part that fits on a screen. The rest of the text is not read,
 * so a large or deeply nested text costs no more than its beginning. (`JSON.stringify` with an indentation
 * made 403 MB from a payload of 400 kB of brackets.)
 *
 * @param json a JSON text. A damaged text from the store is shown as it is
 */
export function jsonExcerpt(json: string): { lines: string[]; isCut: boolean } {
  const lines = ['']
  let isCut = json.length > EXCERPT
  let depth = 0
  let before = ''
  for (const [token] of json.slice(0, EXCERPT).matchAll(TOKEN)) {
    const isClosing = token === '}' || token === ']'
    const isOpen = before === '{' || before === '['
    if (isClosing) depth--
    // An empty object or list stays on one line.
    if (before === ',' || isOpen !== isClosing) {
      if (lines.length === LINES) {
        isCut = true
        break
      }
      lines.push('  '.repeat(Math.max(0, Math.min(depth, DEEPEST))))
    }
    lines[lines.length - 1] += token === ':' ? ': ' : token
    if (token === '{' || token === '[') depth++
    before = token
  }
  return { lines, isCut }
}
