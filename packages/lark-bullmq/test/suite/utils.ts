/** BullMQ's tests import this file as its `src/utils`. */
import * as lark from '@s18i/lark-bullmq'
import { suiteRun } from './run.ts'

export {
  delay,
  errorToJSON,
  getParentKey,
  isNotConnectionError,
  isRedisVersionLowerThan,
  randomUUID,
  // @ts-expect-error: only the ES modules of BullMQ have types, and Node cannot load those.
} from 'bullmq/dist/cjs/utils/index.js'

const { store } = suiteRun()

/** BullMQ's function deletes the keys of a queue. In Lark, these keys have other names. */
export async function removeAllQueueData(client: unknown, name: string, prefix = 'bull'): Promise<void> {
  const connection = store.startsWith('redis') ? (client as object) : store
  await using queue = new lark.Queue(name, { connection, prefix })
  await queue.obliterate({ force: true })
}
