/**
 * Shows invisible characters, and characters that change the direction of text, as escapes, as in the output
 * of the commands. This is necessary because names, errors, payloads and logs come from outside. Every text
 * of the page goes through this file.
 */
import { options } from 'preact'

/** Matches most texts, which have none of these characters. */
const PLAIN = /^[\n\t\x20-\x7e]*$/
const COLOUR = '\\x1b\\[[\\d;:]{0,64}m'
/**
 * Matches every character that `visible()` of the console shows as an escape, except line breaks and tabs.
 * Colour codes of a terminal are removed.
 */
const HIDDEN = new RegExp(
  `${COLOUR}|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]`,
  'g',
)
/** Attributes that people read. */
const read = ['title', 'aria-label'] as const

export function visible(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll('\r\n', '\n').replace(HIDDEN, escaped)
}

function escaped(found: string): string {
  if (found.length > 1) return ''
  const code = found.charCodeAt(0).toString(16)
  return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
}

/**
 * Writes invisible characters in a JSON text as escapes of JSON, so that the value of the text does not
 * change.
 */
export function escapedJson(json: string): string {
  return json.replace(HIDDEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** From this call on, every component shows its texts with escapes. */
export function showControls(): void {
  const before = options.vnode
  options.vnode = (node) => {
    const props = node.props as Record<string, unknown>
    if (props.children !== undefined) props.children = shown(props.children)
    if (typeof node.type === 'string')
      for (const name of read) if (typeof props[name] === 'string') props[name] = visible(props[name])
    before?.(node)
  }
}

function shown(child: unknown): unknown {
  return typeof child === 'string' ? visible(child) : Array.isArray(child) ? child.map(shown) : child
}
