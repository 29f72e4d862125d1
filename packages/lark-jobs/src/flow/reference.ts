/**
 * References: parts of the payload of a node that are taken from the results of other nodes when the node
 * starts.
 */
import { JobsError } from '../model/errors.ts'
import type { Path, Reference } from '../model/flow.ts'
import { MAX_PAYLOAD, whyDropped } from '../model/payload.ts'

/**
 * Makes the payload of a node, as JSON text, by filling in the results that the payload refers to.
 *
 * @param payload the payload as it was dispatched
 * @param results the results as JSON texts, by node. A node without a result has no entry
 * @returns the payload, or an error: PAYLOAD_TOO_LARGE, or RESULT_DROPPED if a result that the payload uses
 *   was not kept
 */
export function payloadOf(
  payload: string,
  refs: readonly Reference[],
  results: ReadonlyMap<number, string | undefined>,
): string | JobsError {
  for (const { node } of refs) {
    const why = whyDropped(results.get(node) ?? '')
    if (why !== undefined)
      return new JobsError('RESULT_DROPPED', `A result that the payload refers to was not kept: ${why}`)
  }
  const values = new Map<number, unknown>()
  const resultOf = (node: number) => {
    const text = results.get(node)
    if (!values.has(node)) values.set(node, text === undefined ? undefined : JSON.parse(text))
    return values.get(node)
  }
  const whole = { payload: payload === '' ? undefined : JSON.parse(payload) }
  for (const { at, node, path } of refs) put(whole, ['payload', ...at], valueAt(resultOf(node), path))
  // The number of trailing spaces encodes the version of the payload (`options/payload-rules.ts`).
  const version = payload.slice(payload.trimEnd().length)
  const text = (JSON.stringify(whole.payload) ?? '') + version
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_PAYLOAD) return text
  return new JobsError(
    'PAYLOAD_TOO_LARGE',
    `With the results that it refers to, the payload has ${bytes} bytes, the limit is ${MAX_PAYLOAD}`,
  )
}

/** @returns undefined if the value has nothing at this path */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = (at as Record<string | number, unknown>)[step]
  }
  return at
}

/**
 * Puts a result into a payload. The path exists, because the payload has a placeholder there. If the result
 * has no such part, the property of an object is left out, and the element of a list becomes null.
 */
function put(value: object, path: Path, part: unknown): void {
  const last = path.at(-1)!
  const around = path
    .slice(0, -1)
    .reduce<unknown>((at, step) => (at as Record<string | number, unknown>)[step], value)
  const holder = around as Record<string | number, unknown>
  if (part === undefined && !Array.isArray(holder)) delete holder[last]
  else holder[last] = part ?? null
}
