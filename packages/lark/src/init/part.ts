/**
 * The part of a package in a project that `lark init` sets up. The package names a module in its
 * package.json, beside its commands:
 *
 * ```json
 * { "lark": { "commands": "./dist/commands", "init": "./dist/init.js" } }
 * ```
 *
 * The module exports a function `init`, which receives the project and returns an `InitPart` or a promise of
 * an `InitPart`. The function does not write files itself: `lark init` writes the parts of all packages
 * together, or none of them.
 */
import type { LarkConfig } from '../config.ts'

/** The project that `lark init` has found. */
export interface InitProject {
  /** The folder to which all paths are relative: the folder of the configuration, or of the package.json. */
  readonly folder: string
  /** The configuration; empty if the project has no configuration. */
  readonly config: LarkConfig
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether new files are in TypeScript. */
  readonly isTypeScript: boolean
  /** Whether new files use `import` and `export`, and not `require`. */
  readonly isModule: boolean
  /**
   * The text before a field that overrides a field of a base class: 'override ' with a space, if the compiler
   * requires that word.
   */
  readonly override: '' | 'override '
  /**
   * Returns the folder for files of one kind (`jobs`, `commands`), relative to `folder`.
   *
   * @param configured the folders that the configuration names for these files
   */
  folderOf(kind: string, configured?: string | readonly string[]): Promise<string>
  /** The line that imports names from a package. */
  importing(names: readonly string[], from: string): string
  /**
   * The line that imports names from another file of the project.
   *
   * @param from the path of the imported file, relative to `folder`, without an extension
   * @param by the path of the file that imports, in the same form
   */
  importingFile(names: readonly string[], from: string, by: string): string
  /** The beginning of the declaration of an exported class, up to its name: `export class SendEmailJob`. */
  exporting(className: string): string
}

/**
 * One or two first files for a new project. The files show the purpose of the package, and run without
 * changes.
 */
export interface InitExample {
  /** The texts of the files, by their paths relative to the project's folder, without an extension. */
  files: Readonly<Record<string, string>>
  /** The keys of the commands in these files. A project that already has such a command gets no example. */
  commands?: readonly string[]
  /** The folder for these files. A project that already has files in it gets no example. */
  firstIn: string
  /**
   * The commands that the user should call next, without the word `lark`, such as `welcome ada@example.com`.
   */
  next: readonly string[]
}

export interface InitPart {
  example?: InitExample
  /** The lines of the package's section of the configuration: `jobs: {`, ` queues: ['default'],`, `},`. */
  section?: readonly string[]
  /** Scripts for package.json, by name. */
  scripts?: Readonly<Record<string, string>>
  /** The commands that the user should call after the commands of the examples, without the word `lark`. */
  next?: readonly string[]
  /** Facts for the user, such as where jobs will be kept. Each note is one line. */
  notes?: readonly string[]
}
