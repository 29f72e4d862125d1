/**
 * The layout of a store: the form of all data in the store. The name of a layout has a number and a mark,
 * such as `1.0f3ab`. The layout of a release never changes. Before the release, its layout is edited in
 * place. The mark is made from the text of the layout. So if the layout is edited before a release, the name
 * of the layout changes.
 *
 * When a store with the layout of an earlier release is opened, it is converted step by step to the present
 * layout. A store with any other layout is refused with an error.
 */
import { createHash } from 'node:crypto'
import { JobsError } from '../../../model/errors.ts'

export interface Layout<Step> {
  readonly name: string
  /**
   * The layouts of earlier releases, the oldest first, each with the step that converts a store to the next
   * layout.
   */
  readonly steps: readonly (readonly [layout: string, step: Step])[]
}

/**
 * The steps of a conversion, in order. `layout`: the name of the layout that the store has after the step.
 */
export type Way<Step> = { layout: string; step: Step }[]

/**
 * Makes the name of a layout. @param text a text that changes with the layout. The white space of this text
 * does not count
 */
export function layoutName(number: number, text: string): string {
  const hash = createHash('sha256').update(text.replace(/\s+/g, ' ')).digest('hex')
  return `${number}.${hash.slice(0, 5)}`
}

/**
 * The steps that convert a store to the layout of this version. The list is empty if the store has this
 * layout.
 *
 * @param store the name of the store for the error message
 * @param found the name of the layout that the store has
 * @param other what people can use in place of the store, such as "another file"
 * @throws LAYOUT_UNKNOWN
 */
export function wayFrom<Step>(store: string, found: string, own: Layout<Step>, other: string): Way<Step> {
  if (found === own.name) return []
  const first = own.steps.findIndex(([layout]) => layout === found)
  if (first < 0) throw unknownLayout(store, found, own, other)
  const layouts = [...own.steps.map(([layout]) => layout), own.name]
  return own.steps.slice(first).map(([, step], i) => ({ layout: layouts[first + i + 1]!, step }))
}

export function unknownLayout<Step>(
  store: string,
  found: string,
  own: Layout<Step>,
  other: string,
): JobsError {
  const numberOf = (layout: string) => Number.parseInt(layout, 10)
  const isNewer = found.includes('.') && numberOf(found) > numberOf(own.name)
  if (isNewer || own.steps.some(([layout]) => layout === found))
    return new JobsError(
      'LAYOUT_UNKNOWN',
      `${store} has layout ${numberOf(found)}; this version of Lark reads layout ${numberOf(own.name)}`,
      { hint: `Use the version of Lark that made it, or ${other}` },
    )
  return new JobsError(
    'LAYOUT_UNKNOWN',
    `${store} was made by a build of Lark that was never released: it has layout ${found}, and this build ${own.name}`,
    { hint: `Take its jobs along with lark jobs:export of that build and lark jobs:import, or use ${other}` },
  )
}
