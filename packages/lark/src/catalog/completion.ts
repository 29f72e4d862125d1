/**
 * The completions of a command line for a shell: keys of commands, flags, and values of arguments and flags.
 * A command is imported only for the values of its method `complete()`. All other completions come from the
 * metadata.
 */

import type { Parameter } from '../command/metadata.ts'
import { programFlags } from '../usage.ts'
import type { Catalog, Entry } from './catalog.ts'

/** A word with which the shell may replace the last word. */
export interface Candidate {
  word: string
  /** The description that some shells show beside the word. */
  about: string
}

/** The value of an argument or a flag that is being typed. */
interface Typed {
  parameter: Parameter
  text: string
  /** The text in front of the value in the same word, such as `--queue=`. */
  before: string
}

/**
 * @param words the words after `lark`. The user is typing the last word, which may be empty
 * @param valuesOf asks the command itself for the values of a field
 */
export async function complete(
  words: readonly string[],
  catalog: Catalog,
  valuesOf: (entry: Entry, field: string, typed: string) => Promise<readonly string[]>,
): Promise<Candidate[]> {
  const last = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const at = before.findIndex((word) => !word.startsWith('-'))
  if (at === -1) return matching(last, last.startsWith('-') ? globalFlags() : keysOf(catalog))
  const entry = catalog.guess(before[at]!)
  if (entry === undefined) return []
  const typed = typedValue(entry, before.slice(at + 1), last)
  if (typed === undefined)
    return last.startsWith('-') ? matching(last, [...flagsOf(entry, before), ...globalFlags()]) : []
  const { parameter, text } = typed
  const values = parameter.values ?? (entry.completes ? await valuesOf(entry, parameter.field, text) : [])
  return values
    .filter((value) => value.startsWith(text))
    .map((value) => ({ word: typed.before + value, about: '' }))
}

/**
 * The value that the user types in the last word, and the argument or flag that takes this value. Undefined
 * if the last word is the name of a flag, or if the command takes no further argument.
 */
function typedValue(entry: Entry, before: readonly string[], last: string): Typed | undefined {
  const isFlagOver = before.includes('--')
  const previous = before.at(-1)
  const wanting = previous !== undefined && !isFlagOver ? valueFlag(entry, previous) : undefined
  if (wanting) return listItem({ parameter: wanting, text: last, before: '' })
  const [, name = '', text = ''] = /^(--[^=]+)=(.*)$/s.exec(last) ?? []
  const assigned = isFlagOver
    ? undefined
    : entry.flags.find((flag) => flag.name === name && flag.type !== 'boolean')
  if (assigned) return listItem({ parameter: assigned, text, before: `${name}=` })
  if (last.startsWith('-') && !isFlagOver) return undefined
  const place = before.filter((word, i) => {
    const isFlag = word.startsWith('-') && !before.slice(0, i).includes('--')
    return !isFlag && !(i > 0 && valueFlag(entry, before[i - 1]!))
  }).length
  const parameter =
    entry.arguments[place] ?? (entry.arguments.at(-1)?.many ? entry.arguments.at(-1) : undefined)
  return parameter && { parameter, text: last, before: '' }
}

/** For a list such as `--queue=a,b`: returns the last item, because the user is typing this item. */
function listItem(typed: Typed): Typed {
  const { parameter, text, before } = typed
  const comma = text.lastIndexOf(',') + 1
  if (!parameter.many || parameter.splits === false || comma === 0) return typed
  return { parameter, text: text.slice(comma), before: before + text.slice(0, comma) }
}

/** The flag that this word names, if its value is the next word. */
function valueFlag(entry: Entry, word: string): Parameter | undefined {
  return entry.flags.find(
    ({ name, short, type }) => type !== 'boolean' && (word === name || (short && word === `-${short}`)),
  )
}

function keysOf(catalog: Catalog): Candidate[] {
  return catalog.entries
    .filter(({ hidden }) => !hidden)
    .map(({ key, description }) => ({ word: key, about: description }))
}

function flagsOf({ flags }: Entry, before: readonly string[]): Candidate[] {
  return flags
    .filter(({ name, many }) => many || !before.some((word) => word === name || word.startsWith(`${name}=`)))
    .map(({ name, type, default: fallback, description }) => ({
      word: type === 'boolean' && fallback === true ? name.replace('--', '--no-') : name,
      about: description,
    }))
}

function globalFlags(): Candidate[] {
  return programFlags.map(({ name, description }) => ({ word: name, about: description }))
}

function matching(text: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(text))
}
