/**
 * The name of a class: whether its author gave it, or a minifier did. Jobs of a class without a key are stored under that
 * name, and what a minifier makes is another one after the next build.
 *
 * A minifier names classes anew with as few letters as suffice: one or two in most bundles, three in those of more than
 * some 3,000 names, and four from 220,000 on. It also leaves out the blank before a class's brace and all indentation,
 * which nobody else does. So a name of three letters is only suspected where the text of its class is minified, and
 * whoever writes `class Sms` is left alone.
 */
import { listed } from '../model/listed.ts'

/** What people write in three letters: `Sms`, `SMS`, `IoT`. */
const HONEST = /^[A-Z](?:[a-z\d]{2}|[A-Z\d]{2}|[a-z][A-Z])$/

/** From `class` to the brace. */
const HEAD = /^class(?: ([\w$]+))?(?: extends [^{}\n]*[^{}\s])?\{/

/** `made`: certainly by a minifier; `doubtful`: it may have. */
export type NameOrigin = 'given' | 'doubtful' | 'made'

/** @param make a class; its name has at least three letters */
export function originOf(make: { name: string }): NameOrigin {
  const { name } = make
  if (name.length > 3) return 'given'
  const text = Function.prototype.toString.call(make)
  const head = HEAD.exec(text)
  if (head === null || /\n\s/.test(text)) return 'given'
  // Minified, and told to keep names: they are set beside the minified ones.
  if (head[1] !== undefined && head[1] !== name) return 'given'
  return HONEST.test(name) ? 'doubtful' : 'made'
}

/** What to tell people who run this in production; undefined when every class has a key. */
export function keyless(classes: readonly { name: string; hasKey: boolean }[]): string | undefined {
  const names = classes.filter(({ hasKey }) => !hasKey).map(({ name }) => name)
  if (names.length === 0) return undefined
  const [has, stored] =
    names.length === 1
      ? ['has no key: its jobs are stored under the name of the class', 'it']
      : ['have no key: their jobs are stored under the names of the classes', 'each']
  return `${listed(names)} ${has}, which a bundler may change. Give ${stored} a key, such as readonly key = 'send-email'`
}
