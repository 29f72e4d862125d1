import { comparisonOf } from './compared.ts'
import { unsupported } from './unsupported.ts'

/** Flows of BullMQ are not those of Lark: a node has other jobs before it, and results are handed on by references. */
export class FlowProducer {
  /** @throws BULLMQ_UNSUPPORTED always */
  constructor(_opts?: object) {
    const [, inLark, page] = comparisonOf('exports', 'FlowProducer')!
    throw unsupported('FlowProducer', 'flows', inLark, page)
  }
}
