/**
 * What a package adds to a project that `lark init` sets up. The package names a module in its package.json,
 * beside its commands:
 *
 * ```json
 * { "lark": { "commands": "./dist/commands", "init": "./dist/init.js" } }
 * ```
 *
 * The module exports a function `init`, which is given the project and returns an InitPart, or a promise of
 * one. It writes nothing itself: `lark init` writes the parts of all packages at once, or nothing.
 */
import type { LarkConfig } from '../config.ts'

/** The project, as `lark init` has found it. */
export interface InitProject {
  /** The folder to which all paths are relative: that of the configuration, or of the package.json. */
  readonly folder: string
  /** The configuration. It is empty if there is none. */
  readonly config: LarkConfig
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether new files are in TypeScript. */
  readonly isTypeScript: boolean
  /** Whether new files use `import` and `export`, and not `require`. */
  readonly isModule: boolean
  /**
   * The text before a field that overrides one of a base class: 'override ' with a space if the compiler asks
   * for it.
   */
  readonly override: '' | 'override '
  /**
   * Where files of one kind (`jobs`, `commands`) belong, relative to `folder`.
   *
   * @param configured the folders that the configuration names for them
   */
  folderOf(kind: string, configured?: string | readonly string[]): Promise<string>
  /** The line that imports names from a package. */
  importing(names: readonly string[], from: string): string
  /**
   * The line that imports names from another file of the project.
   *
   * @param from its path, relative to `folder`, without an extension
   * @param by the path of the file that imports, in the same form
   */
  importingFile(names: readonly string[], from: string, by: string): string
  /** The beginning of the declaration of an exported class, up to its name: `export class SendEmailJob`. */
  exporting(className: string): string
}

/** One or two first files, which show what the package is for and run unchanged. */
export interface InitExample {
  /** The texts of the files, by their paths relative to the project's folder, without an extension. */
  files: Readonly<Record<string, string>>
  /** The keys of the commands in these files. A project that already has such a command gets no example. */
  commands?: readonly string[]
  /** The folder for these files. A project that already has files in it gets no example. */
  firstIn: string
  /** The commands to call next, without the word `lark`, such as `welcome ada@example.com`. */
  next: readonly string[]
}

export interface InitPart {
  example?: InitExample
  /** The lines of its section of the configuration: `jobs: {`, `  queues: ['default'],`, `},`. */
  section?: readonly string[]
  /** Scripts for package.json, by name. */
  scripts?: Readonly<Record<string, string>>
  /** The commands to call after those of the examples, without the word `lark`. */
  next?: readonly string[]
  /** What the package has found out, such as where jobs will be kept. Each note is one line. */
  notes?: readonly string[]
}
