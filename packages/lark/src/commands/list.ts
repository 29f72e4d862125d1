import { CATALOG, type Catalog, type Entry, namespaceOf } from '../catalog/catalog.ts'
import { arg } from '../command/arguments.ts'
import { Command } from '../command/command.ts'
import { describeAll, pad } from '../console/table.ts'
import { larkError } from '../errors.ts'
import { USAGE } from '../usage.ts'
import { excerpt } from '../words/excerpt.ts'
import { nearest } from '../words/nearest.ts'
import { visible } from '../words/visible.ts'

/** Answers `lark list`, `lark` without words, and `lark NAMESPACE`. */
export class ListCommand extends Command {
  readonly key = 'list'
  override description = 'List the commands, or those of one namespace'
  namespace = arg.string('Only the commands under this word', { optional: true })
  declare readonly [CATALOG]: Catalog

  override complete() {
    const shown = this[CATALOG].entries.filter(({ hidden }) => !hidden)
    return [...new Set(shown.map(({ key }) => namespaceOf(key)))].filter(Boolean)
  }

  handle() {
    const catalog = this[CATALOG]
    const entries = this.#chosen(catalog)
    if (this.json) this.console.json(entries.map(({ load, ...metadata }) => metadata))
    else this.#print(entries)
    for (const { message } of catalog.problems) this.warn(visible(message))
  }

  #chosen(catalog: Catalog): Entry[] {
    if (this.namespace === undefined) return catalog.entries.filter(({ hidden }) => !hidden)
    const entries = catalog.inNamespace(this.namespace)
    if (entries.length > 0) return entries
    const near = nearest(this.namespace, new Set(catalog.entries.map(({ key }) => namespaceOf(key))))
    throw larkError('UNKNOWN_COMMAND', `There are no commands under "${excerpt(this.namespace)}"`, {
      hint: near ? `Did you mean ${near}?` : 'See lark list',
      exit: 2,
    })
  }

  #print(entries: Entry[]): void {
    if (this.namespace === undefined) {
      this.line(`${this.console.paint('bold', 'Usage')}  ${USAGE}`)
      this.line()
    }
    // The column of keys has the same width in all namespaces.
    const described = entries.map(({ key, description }) => [key, visible(description)] as const)
    const longest = Math.max(...entries.map(({ key }) => key.length))
    const namespaces = [...new Set(entries.map(({ key }) => namespaceOf(key)))].sort()
    for (const [index, namespace] of namespaces.entries()) {
      if (index > 0) this.line()
      if (namespace !== '') this.line(this.console.paint('bold', namespace))
      const own = described
        .filter(([key]) => namespaceOf(key) === namespace)
        .map(([key, about]) => [pad(key, longest), about] as const)
      for (const line of describeAll(own, this.console.width - 2)) this.line(`  ${line}`.trimEnd())
    }
  }
}
