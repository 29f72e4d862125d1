/** A finding of the doctor: one check of one subject, and its result. */
import type { Advice } from '../../model/remedy.ts'

/** The checks, in the order in which findings are listed. */
export const findingCodes = {
  'store-opens': 'The store can be opened.',
  'server-answers': 'Each server answers.',
  'server-version': 'Redis is 6.2 or newer, or Valkey 7.2; all servers have one version.',
  'cluster-connection': 'A node of a cluster is reached as a cluster.',
  eviction: 'A full server refuses writes, and drops no jobs.',
  'append-only': 'The server keeps an append-only file, as the durability needs it.',
  'disk-writes': 'The server can write to its disk.',
  memory: 'The server has memory left.',
  replicas: 'Replicas are there, and follow.',
  'server-clock': 'The clocks of the servers and of this process agree.',
  rights: 'The user may run all commands that Lark uses.',
  'sqlite-version': 'The SQLite library loses no commits.',
  journal: 'The file has a write-ahead log, and is synced as the durability needs it.',
  'network-file': 'The file is on a local disk.',
  'disk-space': 'The disk of the file has room.',
  'log-size': 'The write-ahead log is emptied.',
  'damaged-data': 'The data of each queue can be read.',
  'unreadable-jobs': 'The next jobs of each state have a format that this version reads.',
  'lost-leases': 'Workers take back the jobs of dead workers.',
  'silent-workers': 'The workers that hold jobs are alive.',
  'may-have-finished':
    'No job was taken back after a silence of the store within a day: it may have finished.',
  'long-runs': 'No job runs for more than a day.',
  'queue-served': 'A worker serves each queue.',
  'queue-configured': 'The queues that have jobs are configured.',
  'queue-paused': 'No queue is paused.',
  'queue-late':
    'The oldest job of each queue that workers serve waits no longer than its target, and jobs end there.',
  'known-jobs': 'The next jobs have classes that live workers know.',
  'stranded-jobs': 'Workers can read the jobs that they met.',
  'retrying-jobs': 'Few jobs failed and wait for their next try: less than 100 in a queue.',
  'failing-jobs':
    'Few jobs failed for good: less than 10, or than a tenth of those that ended within an hour, and than half within 5 minutes.',
  'failed-kept': 'Failed jobs were kept for their age in the last day.',
  'schedule-paused': 'No schedule is paused.',
  'schedule-known': 'A living worker knows the class of each schedule.',
  'schedule-late': 'Each schedule ticks when it is due.',
  'change-halted': 'No change at a pace is paused, or has ended by itself within a day.',
  'worker-alone': 'No worker keeps jobs waiting for one that runs alone, because it may kill its process.',
  'blocked-loop': 'No handler blocked the event loop of a worker within an hour.',
  'lost-workers': 'No worker died within an hour.',
  'deadly-jobs': 'No job was held by several workers that died within an hour.',
  'worker-queues': 'Workers serve only queues that are configured here.',
  'limiter-used': 'Workers use each configured limiter.',
  'limiter-stuck': 'No job waits for more than a minute for a limiter that has granted nothing meanwhile.',
  'circuit-open': 'No circuit is open.',
  'outbox-readable': 'The outbox of the configuration can be read.',
  'outbox-relayed': 'No row of the outbox waits for more than a minute.',
  'outbox-rows': 'Each row of the outbox can become a job.',
  'lark-versions': 'All workers, and this process, have one version of Lark.',
} as const

export type FindingCode = keyof typeof findingCodes
export type FindingLevel = 'error' | 'warning' | 'ok'

export interface DoctorFinding {
  /** The name of the check. It does not change between versions. */
  code: FindingCode
  /** `error`: jobs do not run, or may be lost. `warning`: jobs may stop running or get lost later. */
  level: FindingLevel
  /** The server, file, queue, schedule, worker or limiter that was checked. */
  subject: string
  /** The text for people. */
  text: string
  /**
   * What to do, in words that any user interface can show. Absent if the finding is `ok` or there is nothing
   * to do.
   */
  advice?: Advice
}

/** Makes the findings for one subject. */
export class Examination {
  readonly findings: DoctorFinding[] = []
  readonly #subject: string

  constructor(subject: string) {
    this.#subject = subject
  }

  ok(code: FindingCode, text: string): void {
    this.findings.push({ code, level: 'ok', subject: this.#subject, text })
  }

  warn(code: FindingCode, text: string, ...advice: Advice): void {
    this.findings.push({ code, level: 'warning', subject: this.#subject, text, advice })
  }

  fail(code: FindingCode, text: string, ...advice: Advice): void {
    this.findings.push({ code, level: 'error', subject: this.#subject, text, advice })
  }
}
