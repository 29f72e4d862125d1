/**
 * Adds members to the text of a JSON file. The rest of the text stays unchanged, including its indentation,
 * line ends, and lists on one line.
 */

/**
 * Adds members at the end of the object, or at the end of the object in its member `inside`. The object must
 * not have these members yet.
 *
 * @param text valid JSON, an object
 */
export function withMembers(
  text: string,
  members: Readonly<Record<string, unknown>>,
  inside?: string,
): string {
  const top = objectAt(text, text.indexOf('{'))
  const unit = top.indent || '  '
  if (inside === undefined) return inserted(text, top, members, { unit, outer: '' })
  const member = top.members.findLast(({ key }) => key === inside)
  if (member === undefined) return inserted(text, top, { [inside]: members }, { unit, outer: '' })
  return inserted(text, objectAt(text, member.value), members, { unit, outer: top.indent })
}

/** The position of an object in a text. */
interface ObjectText {
  /** The index after the opening brace. */
  begin: number
  /** The index of the closing brace. */
  end: number
  /** The index after the last member. */
  last: number
  members: { key: string; value: number }[]
  /** The indentation of each member; undefined if the first member is on the line of the brace. */
  indent: string | undefined
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g

function objectAt(text: string, at: number): ObjectText {
  const found: ObjectText = { begin: at + 1, end: at, last: at + 1, members: [], indent: undefined }
  let depth = 0
  let key: string | undefined
  let before = ''
  for (const match of text.slice(at).matchAll(TOKEN)) {
    const [token] = match
    const place = at + match.index
    if (depth === 1 && before === ':') found.members.push({ key: key!, value: place })
    if (depth === 1 && (before === '{' || before === ',') && token.startsWith('"')) key = JSON.parse(token)
    if (token === '{' || token === '[') depth++
    if (token === '}' || token === ']') depth--
    if (depth === 0) {
      found.end = place
      break
    }
    if (depth > 1 || token !== ',') found.last = place + token.length
    if (depth === 1 && before === '{' && found.members.length === 0)
      found.indent ??= /\n([ \t]*)$/.exec(text.slice(at, place))?.[1]
    before = token
  }
  return found
}

function inserted(
  text: string,
  { begin, end, last, members, indent }: ObjectText,
  added: Readonly<Record<string, unknown>>,
  { unit, outer }: { unit: string; outer: string | undefined },
): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const isOneLine = members.length > 0 && indent === undefined
  const inner = indent ?? `${outer ?? ''}${unit}`
  const lines = Object.entries(added).map(([key, value]) => {
    const json = JSON.stringify(value, null, isOneLine ? undefined : unit)
    return `${JSON.stringify(key)}: ${json.replaceAll('\n', `${newline}${inner}`)}`
  })
  if (isOneLine) return `${text.slice(0, last)}, ${lines.join(', ')}${text.slice(last)}`
  const block = lines.map((line) => `${newline}${inner}${line}`).join(',')
  if (members.length > 0) return `${text.slice(0, last)},${block}${text.slice(last)}`
  return `${text.slice(0, begin)}${block}${newline}${outer ?? ''}${text.slice(end)}`
}
