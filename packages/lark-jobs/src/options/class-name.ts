/**
 * Decides whether the author of a class or a minifier gave the class its name. The jobs of a class without a
 * key are stored under the name of the class, and a minifier makes another name with the next build.
 *
 * A minifier gives classes names that are as short as possible: one or two letters in most bundles, three
 * letters in a bundle with more than about 3,000 names, and four letters in a bundle with more than 220,000
 * names. A minifier uses names of two capital letters after about 930 other names. (Measured on 2026-11-26
 * with 4,200 classes and esbuild 0.28, terser 5.51 and swc 1.16: each made 676 names like `PR`, and no name
 * with a character outside of ASCII.) Only a minifier omits the space before the brace of a class, and all
 * indentation. So a short name that people also write (`Sms`, `PR`) is doubtful only if the text of the class
 * is minified.
 */
import { listed } from '../words/listed.ts'

/** The form of short names that people write: `PR`, `S3`, `Sms`, `SMS`, `IoT`. */
const HONEST = /^[A-Z](?:[A-Z\d]|[a-z\d]{2}|[A-Z\d]{2}|[a-z][A-Z])$/

/** The beginning of a class in minified code, from `class` to the brace. */
const HEAD = /^class(?: ([\w$]+))?(?: extends [^{}\n]*[^{}\s])?\{/

/**
 * Where a name comes from: `given` by the author, `made` by a minifier, or `doubtful`, which is perhaps made
 * by a minifier.
 */
export type NameOrigin = 'given' | 'doubtful' | 'made'

/** @param Class a class that has a name */
export function originOf(Class: { name: string }): NameOrigin {
  const { name } = Class
  if (name.length > 3 || /[^ -~]/.test(name)) return 'given'
  const isHonest = HONEST.test(name)
  const text = Function.prototype.toString.call(Class)
  const head = /\n\s/.test(text) ? null : HEAD.exec(text)
  if (head === null) return isHonest || name.length === 3 ? 'given' : 'made'
  // The code is minified, but the bundler keeps the names of classes beside the minified names.
  if (head[1] !== undefined && head[1] !== name) return 'given'
  return isHonest ? 'doubtful' : 'made'
}

/** The warning for production about classes without a key, or undefined if every class has a key. */
export function keyless(classes: readonly { name: string; hasKey: boolean }[]): string | undefined {
  const names = classes.filter(({ hasKey }) => !hasKey).map(({ name }) => name)
  if (names.length === 0) return undefined
  const [has, stored] =
    names.length === 1
      ? ['has no key: its jobs are stored under the name of the class', 'it']
      : ['have no key: their jobs are stored under the names of the classes', 'each']
  return `${listed(names)} ${has}, which a bundler may change. Give ${stored} a key, such as readonly key = 'send-email'`
}
