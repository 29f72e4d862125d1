/**
 * A worker for the members of a large batch. The members write no journal, because writing would take longer
 * than the member itself. Instead, a file has one byte for each member, which counts how often this process
 * has run the member. Like a journal, the file survives a `kill -9`.
 */
import './leash.js'
import { openSync, writeSync } from 'node:fs'
import { Job, Jobs } from '@s18i/lark-jobs'
import { CallbackJob } from './jobs.js'
import { write } from './journal.js'
import { noteMemory } from './memory.js'

const counts = new Uint8Array(Number(process.env.CHAOS_COUNT))
const file = openSync(`${process.env.CHAOS_JOURNAL}.tally`, 'w')

export class MemberJob extends Job {
  key = 'member'
  handle({ i }) {
    counts[i]++
    writeSync(file, counts, i, 1, i)
  }
}

if (process.argv[1] === import.meta.filename) {
  const worker = await Jobs.work({
    jobs: [MemberJob, CallbackJob],
    concurrency: 50,
    lease: Number(process.env.CHAOS_LEASE),
  })
  noteMemory()
  write('ready')

  process.once('SIGTERM', async () => {
    await worker.stop()
    await Jobs.close()
    write('stopped')
  })
}
