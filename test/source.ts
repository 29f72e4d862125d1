/**
 * Reads the source of the packages as text: its files, their imports and their declarations. Regular
 * expressions are enough, because the formatter puts each static import at the beginning of a line.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The files below a folder, as relative paths with `/`. */
export function filesBelow(folder: string, extension: string): string[] {
  return (
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      // A test may install packages below its folder.
      .filter((path) => path.endsWith(extension) && !/(?:^|\/)node_modules\//.test(path))
      .sort()
  )
}

export interface Import {
  /** The path or package in the import, as written. */
  from: string
  isDynamic: boolean
  /** The imported file, relative to the source folder; undefined for a package. */
  file: string | undefined
}

/** Returns all imports and re-exports of a file, including types. */
export function importsOf(folder: string, file: string): Import[] {
  const text = withoutComments(read(`${folder}/${file}`))
  const found = [
    ...[...text.matchAll(/^(?:import|export)\b[^'"`;]*?from '([^']+)'/gm)].map(
      (match) => [match[1]!, false] as const,
    ),
    ...[...text.matchAll(/^import '([^']+)'/gm)].map((match) => [match[1]!, false] as const),
    ...[...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)].map((match) => [match[1]!, true] as const),
  ]
  return found.map(([from, isDynamic]) => ({
    from,
    isDynamic,
    file: from.startsWith('.') ? posix.normalize(posix.join(posix.dirname(file), from)) : undefined,
  }))
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

/**
 * Returns the lines that return the result of a call without `await` in a function with `await using`. This
 * function would close its resource before the promise is settled. A call that returns no promise is
 * reported, too, and needs a constant for its value.
 */
export function earlyReturns(text: string): string[] {
  const found: string[] = []
  const lines = text.split('\n')
  const depthOf = (line: string) => line.length - line.trimStart().length
  for (const [at, line] of lines.entries()) {
    if (!/^\s*await using /.test(line)) continue
    // The depth of an inner function. Its `return` statements do not belong to the outer function.
    let inner: number | undefined
    for (const [i, later] of lines.entries()) {
      if (i <= at || later === '') continue
      const depth = depthOf(later)
      if (depth < depthOf(line)) break
      if (inner !== undefined && depth <= inner) inner = undefined
      else if (inner === undefined && /(=>|function\b.*\)|^\s*(?:async )?[#\w]+\(.*\)) \{$/.test(later))
        if (!/^\s*(?:\} )?(?:if|else|for|while|switch|catch)\b/.test(later)) inner = depth
      if (inner !== undefined) continue
      const [, value = ''] = /^\s*(?:.*\) )?return (?!await\b)(.*)$/.exec(later) ?? []
      if (/^(?:this\.)?#?[\w.#]+(?:<.*>)?\(/.test(value)) found.push(`${i + 1}: ${later.trim()}`)
    }
  }
  return found
}

/** Returns the lines of comments, without the code of examples. */
export function commentLines(text: string): { line: number; text: string }[] {
  let isCode = false
  return text.split('\n').flatMap((line, at) => {
    const isComment = /^\s*(\*|\/\/|\/\*\*|--)/.test(line)
    if (!isComment || /^\s*\/\*\*/.test(line)) isCode = false
    if (/\* @example\b/.test(line)) isCode = true
    else if (line.includes('```')) isCode = !isCode
    return isComment && !isCode ? [{ line: at + 1, text: line }] : []
  })
}

/**
 * Returns the spreads whose only condition is that the value of a property is not `undefined`. Use
 * `defined()` instead.
 */
export function spreadsOfUndefined(text: string): string[] {
  const found = text.matchAll(
    /\.\.\.\(\s*([\w.#?]+) (?:!== undefined\s*&&|=== undefined\s*\? \{\}\s*:) \{([^{}]*)\}\s*\)/g,
  )
  return [...found]
    .filter(([, asked, properties]) =>
      properties!
        .trim()
        .split(/\s*,\s*/)
        .every((each) => each === '' || each.replace(/^\w+: /, '') === asked!.replaceAll('?.', '.')),
    )
    .map(([spread]) => spread.replace(/\s+/g, ' '))
}

/** Whether a file declares `Name`, or `Name.member` of a class or an interface. */
export function declares(text: string, symbol: string): boolean {
  const [name, member] = symbol.split('.')
  const head = new RegExp(
    `^(?:export )?(?:abstract )?(?:async )?(?:class|interface|type|function\\*?|const|let) ${name}\\b`,
    'm',
  ).exec(text)
  if (head === null) return false
  if (member === undefined) return true
  const body = text.slice(head.index, endOfBlock(text, head.index))
  return new RegExp(`^ {2}(?:(?:static|abstract|async|readonly|get|set) )*\\*?${member}[(<?:!=]`, 'm').test(
    body,
  )
}

/** A declaration ends with the next line that is a closing brace. */
function endOfBlock(text: string, from: number): number {
  const end = text.indexOf('\n}', from)
  return end === -1 ? text.length : end
}
