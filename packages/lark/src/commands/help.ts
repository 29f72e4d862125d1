import { CATALOG, type Catalog, type Entry } from '../catalog/catalog.ts'
import { arg } from '../command/arguments.ts'
import { Command } from '../command/command.ts'
import type { Parameter } from '../command/metadata.ts'
import { placeholder } from '../command/parse.ts'
import { describeAll, wrap } from '../console/table.ts'
import { flagLines, globalFlagLines, printUsage } from '../usage.ts'
import { visible } from '../words/visible.ts'

/** Answers `lark help KEY` and `lark KEY --help`. (`usage.ts` answers `lark --help`.) */
export class HelpCommand extends Command {
  readonly key = 'help'
  override description = 'Show how a command is used'
  command = arg.string('The key of the command', { optional: true })
  declare readonly [CATALOG]: Catalog

  override complete() {
    return this[CATALOG].entries.filter(({ hidden }) => !hidden).map(({ key }) => key)
  }

  handle() {
    if (this.command === undefined) {
      printUsage(this.console)
      return
    }
    const { load, ...metadata } = this[CATALOG].meant(this.command)
    if (this.json) this.console.json(metadata)
    else this.#print(metadata)
  }

  #print(command: Omit<Entry, 'load'>): void {
    const { key, description, aliases, arguments: positional, flags } = command
    // Each line of a section is indented by two spaces.
    const width = this.console.width - 2
    if (description) {
      for (const line of wrap(visible(description), this.console.width)) this.line(line)
      this.line()
    }
    const usage = ['lark', key, ...positional.map(usageOf), '[flags]'].join(' ')
    this.line(`${this.#bold('Usage')}  ${visible(usage)}`)
    if (aliases.length > 0) this.line(`${this.#bold('Also')}   ${aliases.join(', ')}`)
    if (positional.length > 0) {
      const described = positional.map((each) => [visible(each.name), visible(explain(each))] as const)
      this.#section('Arguments', describeAll(described, width))
    }
    if (flags.length > 0) this.#section('Flags', flagLines(flags.map(describeFlag), width))
    this.#section('Flags of every command', globalFlagLines(width))
  }

  #section(title: string, lines: string[]): void {
    this.line()
    this.line(this.#bold(title))
    for (const line of lines) this.line(`  ${line}`)
  }

  #bold(text: string): string {
    return this.console.paint('bold', text)
  }
}

function usageOf({ name, many, required }: Parameter): string {
  const word = many ? `${name}…` : name
  return required ? word : `[${word}]`
}

function describeFlag(flag: Parameter) {
  const name = flag.type === 'boolean' ? flag.name : `${flag.name} ${placeholder(flag)}`
  return { name, description: explain(flag), ...(flag.short ? { short: `-${flag.short}` } : {}) }
}

/** The description, followed by further facts in brackets. */
function explain({ kind, type, description, default: fallback, values, env, required }: Parameter): string {
  const facts = [
    kind === 'argument' && type === 'enum' && values?.join('|'),
    kind === 'flag' && required && 'required',
    fallback !== undefined && fallback !== false && `default ${fallback}`,
    env !== undefined && `or ${env}`,
  ].filter((fact) => fact !== false && fact !== undefined)
  return [description, facts.length > 0 && `(${facts.join(', ')})`].filter(Boolean).join(' ')
}
