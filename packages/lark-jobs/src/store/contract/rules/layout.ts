/**
 * The layout of a store: how everything in it is kept. It is called by a number and a mark, such as
 * `1.0f3ab`. The layout of a release never changes. Before a release, its layout is edited in place, and the
 * mark distinguishes the builds of that time: it is made from the layout's text.
 *
 * A store with the layout of an earlier release is converted when it is opened, release by release. Any other
 * layout is refused with an error.
 */
import { createHash } from 'node:crypto'
import { JobsError } from '../../../model/errors.ts'

export interface Layout<Step> {
  readonly name: string
  /** For the layout of each earlier release, the oldest first: the step to the next layout. */
  readonly steps: readonly (readonly [layout: string, step: Step])[]
}

/** The layouts through which a store is converted, in order, each with the step that leads to it. */
export type Way<Step> = { layout: string; step: Step }[]

/** The name of a layout. @param text changes with the layout; white space does not count */
export function layoutName(number: number, text: string): string {
  const hash = createHash('sha256').update(text.replace(/\s+/g, ' ')).digest('hex')
  return `${number}.${hash.slice(0, 5)}`
}

/**
 * The steps that bring a store to this version's layout; none if it has that layout.
 *
 * @param store the name of the store, for people
 * @param found the layout of the store
 * @param other what people can use in its place, such as another file
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
