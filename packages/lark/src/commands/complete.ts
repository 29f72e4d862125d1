import { arg } from '../arguments.ts'
import { CATALOG, type Catalog, type Entry } from '../catalog.ts'
import { CONTEXT, Command } from '../command.ts'
import { complete } from '../completion.ts'
import { visible } from '../visible.ts'

/**
 * `lark complete -- WORDS…`, which the scripts of `lark completion` call: prints what the last word may
 * become, one word a line, with a tab and a description behind it.
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
