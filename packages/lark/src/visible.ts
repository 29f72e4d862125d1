/**
 * Text from outside on its way to a terminal: names, payloads, messages of errors, lines that jobs write. A terminal
 * obeys control characters, and a reader trusts that one line is one line. So what is not plain text is shown as an
 * escape (`\x1b`, `\r`, `\u202e`): it can be read, and does nothing.
 *
 * Text that is styled here is made visible first and styled then.
 */

/**
 * What a terminal obeys or a reader does not see: C0, DEL, C1, the line separators of Unicode, and the characters that
 * change the direction of text.
 */
const CONTROLS = '\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069'
/** A colour or a style (SGR). It moves nothing and erases nothing. */
const COLOR = '\\x1b\\[[\\d;:]{0,64}m'

const EVERY_COLOR = new RegExp(COLOR, 'g')
const COLOR_OR_CONTROL = new RegExp(`${COLOR}|[${CONTROLS}]`, 'g')
/** Those that JSON.stringify leaves as they are. */
const LEFT_BY_JSON = new RegExp(`[${CONTROLS.replace('\\x00-\\x1f', '')}]`, 'g')

const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text as one line without colours; every other control character as an escape. */
export function visible(text: string): string {
  return text.replace(COLOR_OR_CONTROL, (found) => (found.length > 1 ? '' : escaped(found)))
}

/** As `visible`, of text that may have several lines: one each. A tab stays. */
export function visibleLines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.split('\t').map(visible).join('\t'))
}

/**
 * Text that somebody printed here on purpose: it keeps its colours, lines and tabs, and every other control character
 * is shown as an escape.
 */
export function visibleInColor(text: string): string {
  return text.replace(COLOR_OR_CONTROL, (found) => {
    return found.length > 1 || found === '\n' || found === '\t' ? found : escaped(found)
  })
}

/** The JSON of a value; what a terminal would obey is written as `\uXXXX`, so the value that it stands for is the same. */
export function visibleJson(value: unknown): string | undefined {
  return JSON.stringify(value)?.replace(LEFT_BY_JSON, (found) => `\\u${hex(found, 4)}`)
}

export function withoutColor(text: string): string {
  return text.replace(EVERY_COLOR, '')
}

function escaped(control: string): string {
  const code = control.charCodeAt(0)
  return SHORT[control] ?? (code < 0x100 ? `\\x${hex(control, 2)}` : `\\u${hex(control, 4)}`)
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0')
}
