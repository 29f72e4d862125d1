/**
 * The catalogue has every command that can be called, by key, and the problems of commands that cannot be
 * called. The catalogue contains only metadata: the class of a command is imported when the command runs.
 */
import type { CommandClass } from '../command/command.ts'
import { type CommandMetadata, readMetadata } from '../command/metadata.ts'
import type { LoadedConfig } from '../config.ts'
import { describeAll } from '../console/table.ts'
import { type LarkError, larkError } from '../errors.ts'
import { excerpt } from '../words/excerpt.ts'
import { nearest } from '../words/nearest.ts'
import { visible } from '../words/visible.ts'

/** A command in the catalogue, with a function that loads its class. */
export interface Entry extends CommandMetadata {
  /**
   * The path of the command's file, relative to the project's folder; undefined for a class that was passed
   * to `run`.
   */
  file?: string
  load(): Promise<CommandClass>
}

export type Project = Pick<LoadedConfig, 'folder' | 'config'> & Partial<Pick<LoadedConfig, 'file'>>

/**
 * The property of an instance of a command that has the catalogue. Only the commands `list` and `help` need
 * the catalogue.
 */
export const CATALOG = Symbol.for('s18i.lark.catalog')

/**
 * The commands that are in packages other than `lark-jobs`, with the argument of `npm install` for the
 * package.
 */
const homes: Readonly<Record<string, string>> = {
  'jobs:bench': '--save-dev @s18i/lark-jobs-bench',
  'jobs:check-bullmq': '@s18i/lark-bullmq',
  'jobs:dashboard': '@s18i/lark-dashboard',
  'jobs:import-bullmq': '@s18i/lark-bullmq',
}

export class Catalog {
  readonly project: Project
  readonly entries: Entry[] = []
  /** The reasons why commands or files are missing among the entries. */
  readonly problems: LarkError[]
  readonly #byName = new Map<string, Entry>()
  readonly #refused = new Map<string, LarkError>()

  constructor(project: Project, entries: Entry[], problems: LarkError[] = []) {
    this.project = project
    this.problems = [...problems]
    for (const [key, same] of groupByKey(entries)) {
      if (same.length > 1) this.#refuse(key, same)
      else this.entries.push(same[0]!)
    }
    this.entries.sort((a, b) => (a.key < b.key ? -1 : 1))
    for (const entry of this.entries) this.#byName.set(entry.key, entry)
    for (const entry of this.entries) {
      for (const alias of entry.aliases) {
        const rival = this.#byName.get(alias)
        if (rival === entry) continue
        if (rival) this.#refuse(alias, [rival, entry])
        else this.#byName.set(alias, entry)
      }
    }
  }

  /**
   * The command with this key or alias.
   *
   * @throws COMMAND_INVALID if two commands have this key or alias.
   */
  find(name: string): Entry | undefined {
    const refused = this.#refused.get(name)
    if (refused) throw refused
    return this.#byName.get(name)
  }

  /**
   * Like `find`, but for a name that a user typed.
   *
   * @param next the next word: `lark jobs work` may mean `jobs:work`
   * @throws UNKNOWN_COMMAND. The hint names the command that the user may mean, and the unreadable files that
   *   may contain the command
   */
  get(name: string, next?: string): Entry {
    const entry = this.find(name)
    if (entry) return entry
    const near = this.#meant(name, next)
    const hints = this.problems.map(({ message }) => message)
    const home = homes[name]
    if (home !== undefined) hints.unshift(`It has a package of its own: npm install ${home}`)
    else if (near) hints.unshift(`Did you mean ${near}?`)
    else if (this.inNamespace(name).length > 0) hints.unshift(`See lark list ${name}`)
    else if (hints.length === 0) hints.push(this.#isBare ? this.#nothingFound : 'See lark list')
    throw larkError('UNKNOWN_COMMAND', `Unknown command "${excerpt(name)}"`, {
      hint: hints.join('\n'),
      exit: 2,
    })
  }

  /**
   * Like `get`, but each word of the name may be abbreviated: `j:st` means `jobs:status`, if it abbreviates
   * no other key.
   *
   * @throws UNKNOWN_COMMAND, also if the name abbreviates several keys. The error names these keys
   */
  meant(name: string, next?: string): Entry {
    return this.find(name) ?? this.#abbreviated(name) ?? this.get(name, next)
  }

  /**
   * The command that a name means, for completion; undefined if the name means no command, or may mean
   * several commands.
   */
  guess(name: string): Entry | undefined {
    try {
      return this.meant(name)
    } catch {
      return undefined
    }
  }

  #abbreviated(name: string): Entry | undefined {
    const words = name.split(':')
    const found = this.entries.filter(
      ({ key, aliases, hidden }) => !hidden && [key, ...aliases].some((each) => abbreviates(words, each)),
    )
    if (found.length < 2) return found[0]
    // `j:work` means `jobs:work`, although `jobs:workers` begins in the same way.
    const last = lastWord(name)
    const same = found.filter(({ key, aliases }) => [key, ...aliases].some((each) => lastWord(each) === last))
    if (same.length === 1) return same[0]
    const described = found.map(({ key, description }) => [key, visible(description)] as const)
    throw larkError('UNKNOWN_COMMAND', `"${visible(name)}" may be one of ${found.length} commands`, {
      hint: describeAll(described, 100).join('\n'),
      exit: 2,
    })
  }

  /** The namespace with this name, or the only namespace that the name abbreviates. */
  namespace(name: string): string | undefined {
    if (this.inNamespace(name).length > 0) return name
    const words = name.split(':')
    if (name === '' || this.entries.some(({ key }) => abbreviates(words, key))) return undefined
    const shown = this.entries.filter(({ hidden }) => !hidden)
    const found = new Set(shown.map(({ key }) => namespaceOf(key)).filter((each) => each.startsWith(name)))
    return found.size === 1 ? [...found][0] : undefined
  }

  /** Whether the catalogue has only Lark's own commands. */
  get #isBare(): boolean {
    return this.entries.every(({ file }) => file === undefined)
  }

  get #nothingFound(): string {
    return (
      `There are only Lark's own commands in ${this.project.folder}. Start lark in your project: ` +
      'a package adds commands (@s18i/lark-jobs has jobs:work) when the package.json there lists it'
    )
  }

  /**
   * The key that a mistyped name may mean: the nearest key, or a key with the same last word (`work` means
   * `jobs:work`).
   */
  #meant(name: string, next: string | undefined): string | undefined {
    const inside = this.inNamespace(name)
    if (inside.length > 0) return next === undefined ? undefined : byLastWord(next, inside)
    const shown = this.entries.filter(({ hidden }) => !hidden)
    const all = shown.flatMap(({ key, aliases }) => [key, ...aliases])
    return nearest(name, [...all, ...Object.keys(homes)]) ?? byLastWord(name, shown)
  }

  /** The commands of a namespace: `users` contains `users:process`. */
  inNamespace(namespace: string): Entry[] {
    return this.entries.filter(({ key, hidden }) => !hidden && namespaceOf(key) === namespace)
  }

  #refuse(name: string, rivals: Entry[]): void {
    const places = rivals.map(({ file, key }) => file ?? `Lark's own ${key}`).join(' and ')
    const problem = larkError('COMMAND_INVALID', `Two commands are called "${name}": ${places}`, {
      hint: 'Give one of them another key. If a file only re-exports others, begin its name with _',
    })
    this.problems.push(problem)
    this.#refused.set(name, problem)
  }
}

/** Whether each word of a name is the beginning of the word at the same position in the key. */
function abbreviates(words: readonly string[], key: string): boolean {
  const whole = key.split(':')
  return words.length === whole.length && words.every((word, i) => word !== '' && whole[i]!.startsWith(word))
}

function lastWord(key: string): string {
  return key.slice(key.lastIndexOf(':') + 1)
}

/** The key whose last word is nearest to the given word. */
function byLastWord(word: string, entries: readonly Entry[]): string | undefined {
  const keys = new Map(entries.map(({ key }) => [lastWord(key), key]))
  return keys.get(nearest(word, keys.keys()) ?? '')
}

/** The namespace of a key: `users` for `users:process`, and '' for `list`. */
export function namespaceOf(key: string): string {
  return key.includes(':') ? key.slice(0, key.indexOf(':')) : ''
}

/** Makes the entries of classes that are already loaded. */
export function entriesOf(classes: CommandClass[]): Entry[] {
  return classes.map((each) => ({ ...readMetadata(new each()), load: async () => each }))
}

function groupByKey(entries: Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>()
  for (const entry of entries) groups.set(entry.key, [...(groups.get(entry.key) ?? []), entry])
  return groups
}
