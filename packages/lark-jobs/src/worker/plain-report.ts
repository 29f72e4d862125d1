/**
 * The report of a worker that was started from code: what jobs write, and what went wrong, on stderr.
 */

import type { LeasedJob, LogLine } from '../model/record.ts'
import { behind } from '../run/job-error.ts'
import { print } from '../run/job-log.ts'
import type { Ending, Report } from './report.ts'

export class PlainReport implements Report {
  wrote(lease: LeasedJob, name: string, line: LogLine): void {
    print(name, lease.id, line.level, line.text)
  }

  ended({ lease, name, outcome }: Ending): void {
    if (outcome.kind !== 'failed') return
    const { error } = outcome
    print(name, lease.id, 'error', `${error.message || error.name}${behind(error)}`)
  }

  warn(text: string): void {
    print('lark-jobs', undefined, 'warn', text)
  }

  info(text: string): void {
    print('lark-jobs', undefined, 'info', text)
  }
}
