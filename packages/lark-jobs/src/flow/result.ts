/**
 * The result of a flow: for a chain the result of its last step, for a workflow the results of its nodes by
 * name, and for a batch its counts. The result is a JSON text.
 */
import { droppedResult, MAX_PAYLOAD, whyDropped } from '../model/payload.ts'
import type { KeptEnd } from '../store/contract/store.ts'
import type { FlowView } from './advance.ts'

/**
 * @param endsOf returns how the given nodes ended
 * @returns undefined if the flow has no result. If the result was not kept or is too large, the text contains
 *   the reason (`whyDropped`)
 */
export async function flowResult(
  { definition, crowd }: Pick<FlowView, 'definition' | 'crowd'>,
  endsOf: (nodes: number[]) => Promise<(KeptEnd & { node: number })[]>,
): Promise<string | undefined> {
  if (definition.kind === 'batch') {
    const { completed, failed } = crowd
    return JSON.stringify({ total: crowd.size ?? crowd.reserved, completed, failed })
  }
  const steps = definition.nodes.flatMap(({ on, name }, node) => (on === undefined ? [{ node, name }] : []))
  if (definition.kind === 'chain') return (await endsOf(steps.slice(-1).map(({ node }) => node)))[0]?.result
  const ends = await endsOf(steps.map(({ node }) => node))
  const results = new Map(ends.map(({ node, result }) => [node, result]))
  const members = steps.flatMap(({ node, name }) => {
    const result = results.get(node)
    return result === undefined || whyDropped(result) !== undefined
      ? []
      : [`${JSON.stringify(name)}:${result}`]
  })
  const text = `{${members.join(',')}}`
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_PAYLOAD) return text
  return droppedResult(`the results of its nodes have ${bytes} bytes, the limit is ${MAX_PAYLOAD}`)
}
