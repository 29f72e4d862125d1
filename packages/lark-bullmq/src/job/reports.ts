/** Reports progress and log lines of a job from outside of its processor, in any process. */
import { LARGEST } from '@s18i/lark-jobs/internal'
import { wrongValue } from '../compared/unsupported.ts'
import type { JobHome } from '../store/shared-store.ts'
import { alterJob } from './alter-job.ts'
import type { JobProgress } from './job-json.ts'

/** @param id the id of the job in Lark */
export async function reportProgress(home: JobHome, id: string, progress: JobProgress): Promise<void> {
  const text = JSON.stringify(progress)
  if (text === undefined || Buffer.byteLength(text) > LARGEST.progress)
    throw wrongValue(`Job ${id}`, 'the progress', progress, `JSON of at most ${LARGEST.progress} bytes`)
  await report(home, id, { progress: text }, 'updateProgress')
}

/** @param id the id of the job in Lark @returns how many lines the log has */
export async function reportLine(home: JobHome, id: string, row: string): Promise<number> {
  await report(home, id, { log: [{ at: Date.now(), level: 'info', text: String(row) }] }, 'addLog')
  const found = await home.store.jobs.find(id, { queue: home.queue })
  return found?.log.length ?? 0
}

async function report(
  home: JobHome,
  id: string,
  what: Omit<Extract<Parameters<typeof alterJob>[2], { kind: 'report' }>, 'kind' | 'only'>,
  method: string,
): Promise<void> {
  if ((await alterJob(home, id, { kind: 'report', ...what })) === 'done') return
  throw new Error(`Missing key for job ${id}. ${method}`)
}
