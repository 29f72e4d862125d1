/**
 * Makes text from outside safe for a terminal: names, payloads, messages of errors, lines that jobs write. A
 * terminal obeys control characters, and a reader expects that one line is one entry. So every character that
 * is not plain text is shown as an escape (`\x1b`, `\r`, `\u202e`), which people can read and the terminal
 * does not obey.
 *
 * Lark adds its own styles to a text only after the functions of this file have converted the text.
 */

/**
 * The characters that a terminal obeys or a reader does not see: C0, DEL, C1, the line separators of Unicode,
 * and the characters that change the direction of text.
 */
const CONTROLS = '\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069'
/** The pattern of a colour or a style (SGR). Such a sequence cannot move the cursor or erase text. */
const COLOR = '\\x1b\\[[\\d;:]{0,64}m'

const EVERY_COLOR = new RegExp(COLOR, 'g')
const COLOR_OR_CONTROL = new RegExp(`${COLOR}|[${CONTROLS}]`, 'g')
const ONE_STYLE = new RegExp(`^(${COLOR})([^\\x1b]*)(${COLOR})$`)
/** The control characters that JSON.stringify does not escape. */
const LEFT_BY_JSON = new RegExp(`[${CONTROLS.replace('\\x00-\\x1f', '')}]`, 'g')

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Converts a text to one line without colours. Every other control character becomes an escape. */
export function visible(text: string): string {
  return text.replace(COLOR_OR_CONTROL, (found) => (found.length > 1 ? '' : escaped(found)))
}

/** Like `visible`, but for a text of several lines. The result is a list of the lines. Tabs stay. */
export function visibleLines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.split('\t').map(visible).join('\t'))
}

/**
 * Converts a text that a command prints on purpose. The text keeps its colours, lines and tabs. Every other
 * control character becomes an escape.
 */
export function visibleInColor(text: string): string {
  return text.replace(COLOR_OR_CONTROL, (found) => {
    return found.length > 1 || found === '\n' || found === '\t' ? found : escaped(found)
  })
}

/**
 * The JSON of a value. Control characters are written as `\uXXXX`, so the JSON still stands for the same
 * value.
 */
export function visibleJson(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(LEFT_BY_JSON, (found) => `\\u${hex(found, 4)}`)
}

export function withoutColor(text: string): string {
  return text.replace(EVERY_COLOR, '')
}

/**
 * Breaks a coloured text into lines with `linesOf`, which breaks text without colours. If the whole text has
 * one style, each line gets this style. Any other text loses its styles.
 */
export function inItsStyle(text: string, linesOf: (plain: string) => string[]): string[] {
  const [, start = '', inner = withoutColor(text), end = ''] = ONE_STYLE.exec(text) ?? []
  return linesOf(inner).map((line) => start + line + end)
}

function escaped(control: string): string {
  const code = control.charCodeAt(0)
  return SHORT[control] ?? (code < 0x100 ? `\\x${hex(control, 2)}` : `\\u${hex(control, 4)}`)
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
