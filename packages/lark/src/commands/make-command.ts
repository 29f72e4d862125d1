import { join, relative } from 'node:path'
import { CATALOG, type Catalog } from '../catalog/catalog.ts'
import { arg } from '../command/arguments.ts'
import { Command } from '../command/command.ts'
import { larkError, usageError } from '../errors.ts'
import { stubPlace, writeStub } from '../project/stub.ts'
import { excerpt } from '../words/excerpt.ts'

/** `lark make:command NAME`, where the name is a key (`users:process`) or a class (`ProcessUsers`). */
export class MakeCommand extends Command {
  readonly key = 'make:command'
  override description = 'Write a new command'
  name = arg.string('Its key (users:process) or its class (ProcessUsers)')
  declare readonly [CATALOG]: Catalog

  async handle() {
    const { key, className } = namesFrom(this.name)
    const catalog = this[CATALOG]
    const taken = catalog.find(key)
    if (taken) {
      throw larkError('COMMAND_INVALID', `The key "${key}" is taken by ${taken.file ?? 'one of Lark itself'}`)
    }
    const place = await stubPlace('commands', catalog.project.folder, catalog.project.config.commands)
    const path = join(place.folder, `${className}.${place.extension}`)
    await writeStub(path, stub(key, className, place))
    const shown = relative(process.cwd(), path)
    this.success(`Wrote ${shown}`)
    this.info(`Run it with: lark ${key}`)
    return { key, path }
  }
}

/** A name that begins with a capital is a class. Any other name is a key. */
function namesFrom(name: string): { key: string; className: string } {
  if (name.length > 100 || !/^[A-Za-z][A-Za-z0-9]*([-:_][A-Za-z0-9]+)*$/.test(name)) {
    throw usageError(
      `"${excerpt(name)}" is not a name for a command`,
      'Names look like users:process or ProcessUsers',
    )
  }
  if (/^[A-Z]\w*$/.test(name)) {
    const words = name.replace(/(?<=.)Command$/, '').match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? [name]
    return { key: words.join('-').toLowerCase(), className: name }
  }
  const words = name.split(/[-:_]/)
  return { key: name, className: words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('') }
}

type Place = Pick<Awaited<ReturnType<typeof stubPlace>>, 'extension' | 'isModule'>

/** The text of the file for a new command. */
export function stub(key: string, className: string, { extension, isModule }: Place): string {
  const start = isModule
    ? "import { arg, Command, flag } from '@s18i/lark'\n\nexport "
    : `const { arg, Command, flag } = require('@s18i/lark')\n\nexports.${className} = `
  return `${start}class ${className} extends Command {
  ${extension === 'ts' ? 'readonly ' : ''}key = '${key}'
  description = 'What it does, in one line'
  name = arg.string('Whom to greet', { default: 'world' })
  times = flag.number('How often', { default: 1, short: 't' })

  async handle() {
    for (let time = 0; time < this.times; time++) this.info(\`Hello, \${this.name}\`)
    this.success('Done')
    return true
  }
}
`
}
