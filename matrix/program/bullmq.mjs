// The classes of BullMQ, of @s18i/lark-bullmq: a job that a processor runs, and the value that it returns.
import { Queue, Worker } from '@s18i/lark-bullmq'

const place = { connection: process.env.LARK_JOBS_URL }
const queue = new Queue('matrix', place)
const worker = new Worker('matrix', async ({ data }) => data.n + 1, place)
const job = await queue.add('one', { n: 1 })
console.log(`returned ${await job.waitUntilFinished(undefined, 30_000)}`)
await worker.close()
await queue.close()
