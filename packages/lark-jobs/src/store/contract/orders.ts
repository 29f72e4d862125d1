/**
 * Orders to workers: take no more jobs, go on, or restart. An order is for workers that live when it is
 * given; workers that start later do not get it. The store keeps the last order for each worker, and returns
 * it with the answer to every announcement. So an idle worker makes no extra call, and a lost answer does no
 * harm. A worker remembers the ids of orders, and carries out each order once.
 */

/** The kinds of orders. `quiet`: the worker takes no more jobs. `resume`: it takes jobs again. */
const orderKinds = ['quiet', 'resume', 'restart'] as const

export interface WorkerOrder {
  /** An id that no other order ever has. The id contains no space. */
  id: string
  kind: (typeof orderKinds)[number]
}

/**
 * Milliseconds for which an order is kept. A worker that is frozen or cannot reach the store gets its order
 * within this time.
 */
export const ORDER_HOLDS = 3_600_000

/** Makes the text of an order that stores keep. */
export function orderText({ id, kind }: WorkerOrder): string {
  return `${id} ${kind}`
}

/**
 * Reads an order from the text that a store keeps; undefined if there is no order, or if this version does
 * not know its kind.
 */
export function orderIn(text: unknown): WorkerOrder | undefined {
  if (typeof text !== 'string') return undefined
  const [id = '', name] = text.split(' ')
  const kind = orderKinds.find((each) => each === name)
  return kind === undefined || id === '' ? undefined : { id, kind }
}
