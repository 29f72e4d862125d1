import { CATALOG, type Catalog, type Entry } from '../catalog/catalog.ts'
import { complete } from '../catalog/completion.ts'
import { arg } from '../command/arguments.ts'
import { CONTEXT, Command } from '../command/command.ts'
import { visible } from '../words/visible.ts'

/**
 * `lark complete -- WORDS…`, which the scripts of `lark completion` call: prints the completions of the last
 * word, one on each line, followed by a tab and a description.
 */
export class CompleteCommand extends Command {
  readonly key = 'complete'
  override description = 'Print what the last word of a command line may become'
  override hidden = true
  words = arg.strings('The words after lark; the last one is being typed')
  declare readonly [CATALOG]: Catalog

  async handle() {
    const valuesOf = async (entry: Entry, field: string, typed: string) => {
      const command = new (await entry.load())()
      Object.assign(command, { [CONTEXT]: this[CONTEXT], [CATALOG]: this[CATALOG] })
      return (await command.complete?.(field, typed)) ?? []
    }
    const candidates = await complete(this.words, this[CATALOG], valuesOf)
    if (this.json) return candidates
    for (const { word, about } of candidates) this.line(`${visible(word)}\t${visible(about)}`)
    return true
  }
}
