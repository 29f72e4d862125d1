import { CATALOG, type Catalog } from '../catalog/catalog.ts'
import { flag } from '../command/arguments.ts'
import { Command } from '../command/command.ts'
import { larkError } from '../errors.ts'
import type { InitPart, InitProject } from '../init/part.ts'
import type { Plan, PlannedFile } from '../init/plan.ts'
import type { Survey } from '../init/survey.ts'
import { visibleLines } from '../words/visible.ts'
import { stub } from './make-command.ts'

/**
 * `lark init`: sets up a project, new or old. The command writes missing files. The only existing file that
 * it changes is package.json: it adds scripts.
 */
export class InitCommand extends Command {
  readonly key = 'init'
  override description = 'Set up a project: a configuration, a first job, a first command'
  dryRun = flag.boolean('Only show what would be written; with --verbose, the texts too')
  install = flag.boolean('Install the packages that are missing, without a question')
  language = flag.enum('The language of new files; default: that of the project', ['ts', 'js'])
  declare readonly [CATALOG]: Catalog

  async handle() {
    const { survey, makePlan, writeAll } = await import('../init/steps.ts')
    // Reading the signal installs its handlers, so that SIGINT or SIGTERM does not end the process in the
    // middle of a write.
    const { signal } = this
    const { project } = this[CATALOG]
    const look = () => survey(project, { env: process.env, language: this.language })
    let found = await look()
    if (found.missing.length > 0 && (await this.#install(found, signal))) found = await look()
    const plan = await makePlan(found, ownPart, this[CATALOG])
    signal.throwIfAborted()
    if (!this.dryRun) writeAll(project.folder, plan.files)
    return this.#tell(found, plan)
  }

  /** Installs the missing packages if the user agrees. @returns whether they were installed */
  async #install({ folder, manager, missing }: Survey, signal: AbortSignal): Promise<boolean> {
    const { install, managerWords } = await import('../init/steps.ts')
    const words = [...managerWords[manager].add, ...missing]
    const line = words.join(' ')
    if (this.dryRun) {
      this.info(`Before, these would be installed, and may add to this list: ${line}`)
      return false
    }
    if (!this.install && !(this.console.canAsk && (await this.confirm(`Run ${line}?`, { default: true }))))
      throw larkError('NOT_INSTALLED', `${folder} does not have ${missing.join(' and ')}`, {
        hint: `Run ${line}, or lark init --install`,
      })
    await install(folder, words, signal)
    return true
  }

  #tell({ folder, manager, project }: Survey, { files, notes, next }: Plan) {
    const written = files.filter(({ state }) => state !== 'kept')
    const language = project.isTypeScript ? 'TypeScript' : 'JavaScript'
    const format = project.isModule ? 'ES modules' : 'CommonJS'
    this.info(`${folder}: ${language}, ${format}, ${manager}`)
    for (const note of notes) this.info(note)
    if (!this.json) {
      this.table(
        ['STATE', 'FILE', 'NOTE'],
        files.map(({ state, path, note }) => [state, path, note]),
      )
      if (this.dryRun && this.console.isVerbose) for (const file of written) this.#show(file)
    }
    if (this.dryRun) this.info('Nothing is written, because of --dry-run')
    else this.success(summary(written))
    if (next.length > 0 && !this.dryRun) this.info(`Next:\n${next.join('\n')}`)
    return {
      folder,
      language: project.isTypeScript ? 'ts' : 'js',
      isModule: project.isModule,
      manager,
      dryRun: this.dryRun,
      files: files.map(({ before, text, ...file }) => ({ ...file, ...(this.dryRun && { text }) })),
      next,
    }
  }

  /** Prints the text of a new file, or the difference in a changed file. */
  #show({ path, before, text = '' }: PlannedFile): void {
    this.line()
    this.line(this.console.paint('bold', path))
    const [old, now] = [before ?? '', text].map((each) => visibleLines(each.trimEnd()))
    const first = now!.findIndex((line, i) => line !== old![i])
    let same = 0
    while (same < old!.length - first && now!.at(-1 - same) === old!.at(-1 - same)) same++
    const differing = (lines: string[]) => lines.slice(first, lines.length - same)
    if (before !== undefined) for (const line of differing(old!)) this.line(`- ${line}`)
    for (const line of differing(now!)) this.line(`+ ${line}`)
  }
}

function summary(written: readonly PlannedFile[]): string {
  const count = written.filter(({ state }) => state === 'new').length
  const changed = written.filter(({ state }) => state === 'changed').map(({ path }) => `changed ${path}`)
  const made = count === 0 ? [] : [`wrote ${count} ${count === 1 ? 'file' : 'files'}`]
  const text = [...made, ...changed].join(' and ') || 'there is nothing to write'
  return text[0]!.toUpperCase() + text.slice(1)
}

/** The part of Lark itself, for a project whose packages have no example: a command. */
async function ownPart(project: InitProject): Promise<InitPart> {
  const commands = await project.folderOf('commands', project.config.commands)
  const text = stub('hello', 'Hello', {
    extension: project.isTypeScript ? 'ts' : 'js',
    isModule: project.isModule,
  })
  return {
    example: {
      files: { [`${commands}/Hello`]: text },
      commands: ['hello'],
      firstIn: commands,
      next: ['hello Ada'],
    },
  }
}
