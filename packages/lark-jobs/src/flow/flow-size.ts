/**
 * Estimates how large a flow becomes while it is built. A flow must be refused as soon as a node makes it too
 * large, because all nodes together may not fit into memory. The estimate costs almost nothing: it assumes
 * one byte for each character, and leaves out fields that most nodes do not have. So the estimate never
 * exceeds the real size of the definition, which is measured when the definition is written.
 */
import { JobsError } from '../model/errors.ts'
import { MAX_DEFINITION } from '../model/flow.ts'

/** The minimum size of a node without its payload, in bytes. */
const NODE = 40
/** The size of each entry in `after`, in bytes. */
const LINK = 2

export class FlowSize {
  #bytes = 0

  /**
   * Counts a node, or a member of a batch in a flow.
   *
   * @param what the node, for messages
   * @param text the payload of the node, as JSON
   * @param links how many nodes the node waits for
   * @throws FLOW_TOO_LARGE
   */
  add(what: string, text = '', links = 0): void {
    this.#bytes += NODE + text.length + LINK * links
    if (this.#bytes > MAX_DEFINITION)
      throw tooLarge(`With ${what}, the flow has more than ${MAX_DEFINITION} bytes`)
  }
}

/** @param words makes the message from the number of bytes of the definition @throws FLOW_TOO_LARGE */
export function checkSize(definition: string, words: (bytes: number) => string): void {
  const bytes = Buffer.byteLength(definition)
  if (bytes > MAX_DEFINITION) throw tooLarge(`${words(bytes)}, the limit is ${MAX_DEFINITION}`)
}

function tooLarge(message: string): JobsError {
  return new JobsError('FLOW_TOO_LARGE', message, {
    hint: 'Store what is large elsewhere, and give the jobs its id; or make a batch, whose members do not count.',
  })
}
