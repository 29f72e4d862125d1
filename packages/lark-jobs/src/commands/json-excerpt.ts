/**
 * JSON as people look at it: indented, and only as much of it as they read. It goes over the text once and stops, so
 * a large text or a deeply nested one costs no more than its beginning. (Indented by JSON.stringify, a payload of 400 kB
 * that was all brackets came to 403 MB.)
 */

/** Characters of the text that are shown. */
export const EXCERPT = 8_000
/** Lines. */
const LINES = 200
/** The most levels of nesting that are indented; deeper ones keep the last indentation. */
const DEEPEST = 20

/** A string that is cut off has only its beginning. */
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^"{}[\],:]+/gs

/** @param json JSON text; a damaged text from the store is shown as it is */
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
