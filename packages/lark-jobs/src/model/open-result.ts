/**
 * The result of a node in a flow that is being built: it stands for the future result of `handle`.
 * `dispatch/open-result.ts` makes it, and it has the type of the result. So the payload of another node can
 * have it wherever it takes that type. Outside of the payloads of its flow it is refused.
 */
import type { Path } from './flow.ts'

/** The key under which every copy of this package finds the meaning of an open result. */
export const openResult = Symbol.for('s18i.lark.jobs.open-result')

export interface OpenResult {
  /** The flow that is being built. */
  scope: object
  /** By number. */
  node: number
  /** The name of the node, for people. */
  name: string
  path: Path
}

/** The meaning of an open result; undefined for every other value. */
export function openResultOf(value: unknown): OpenResult | undefined {
  return typeof value === 'function' ? (value as { [openResult]?: OpenResult })[openResult] : undefined
}

/** `result.receipts[0].url of Charge` */
export function wordsOf({ name, path }: OpenResult): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
  return `result${parts.join('')} of ${name}`
}
