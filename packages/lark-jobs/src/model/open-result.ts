/**
 * An open result stands for the future result of a node while the flow is being built.
 * `dispatch/open-result.ts` makes open results. An open result has the type of the result, so the payload of
 * another node of the flow can contain it wherever that type is accepted. In any other payload, an open
 * result is refused.
 */
import type { Path } from './flow.ts'

/** The key under which every copy of this package finds the data of an open result. */
export const openResult = Symbol.for('s18i.lark.jobs.open-result')

export interface OpenResult {
  /** The flow that is being built. */
  scope: object
  /** The number of the node. */
  node: number
  /** The name of the node, for people. */
  name: string
  path: Path
}

/** The data of an open result, or undefined if the value is not an open result. */
export function openResultOf(value: unknown): OpenResult | undefined {
  return typeof value === 'function' ? (value as { [openResult]?: OpenResult })[openResult] : undefined
}

/** The words for an open result, such as `result.receipts[0].url of Charge`. */
export function wordsOf({ name, path }: OpenResult): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
  return `result${parts.join('')} of ${name}`
}
