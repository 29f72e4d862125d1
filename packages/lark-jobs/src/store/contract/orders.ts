/**
 * Orders to workers: take no more jobs, go on, restart. An order is for workers that live when it is given,
 * and not for those that start later. It is kept for each of them, and comes with the answer to every
 * announcement, so it costs an idle worker no call and survives a lost answer. The worker carries out each
 * order once, by its id. Only the last order of a worker is kept.
 */

/** The kinds of orders. `resume`: the worker takes jobs again after `quiet`. */
const orderKinds = ['quiet', 'resume', 'restart'] as const

export interface WorkerOrder {
  /** Unique for ever, without a space. */
  id: string
  kind: (typeof orderKinds)[number]
}

/** Milliseconds for which an order is kept, for a worker that is frozen or cannot reach the store. */
export const ORDER_HOLDS = 3_600_000

/** An order as stores keep it. */
export function orderText({ id, kind }: WorkerOrder): string {
  return `${id} ${kind}`
}

/**
 * An order in the text of a store; undefined if there is none, or if it is of a kind that this version does
 * not know.
 */
export function orderIn(text: unknown): WorkerOrder | undefined {
  if (typeof text !== 'string') return undefined
  const [id = '', name] = text.split(' ')
  const kind = orderKinds.find((each) => each === name)
  return kind === undefined || id === '' ? undefined : { id, kind }
}
