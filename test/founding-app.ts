/**
 * The application of the founding page, docs/dispatching-jobs.md: the page's first snippets (in TypeScript
 * and JavaScript) as files of a project.
 *
 * Only the parts that a snippet leaves out may be added: declarations, `export`, `catch (error: any)`, the
 * payload behind an elision, and a union for the payload of the line marked "Avoid".
 */
import { blocksOf } from './markdown.ts'
import { read } from './source.ts'

export const page = read('docs/dispatching-jobs.md')
export const founding = blocksOf(page).filter(({ language }) =>
  ['typescript', 'javascript'].includes(language),
)
/** Returns the snippet that begins with this line. */
function snippet(line: string): string {
  const found = founding.filter(({ text }) => text.includes(line))
  if (found.length !== 1) throw new Error(`${found.length} snippets have the line: ${line}`)
  return found[0]!.text
}

const exported = (text: string) => text.replace(/^class /gm, 'export class ')
/** Adds members at the end of a class. */
const withMembers = (text: string, members: string) => text.replace(/\n}\n$/, `\n\n${members}\n}\n`)

const job = (name: string, payload: string, fields = '') => `
export class ${name} extends Job {
  ${fields}
  async handle(payload: ${payload}) {
    this.info(JSON.stringify(payload))
    return { done: '${name}' }
  }
}`

/** Each class is a file, and each piece of dispatching code is a script. */
export const files = {
  'lark.config.js': snippet('// lark.config.js'),
  'src/welcome.ts': snippet("import { SendEmailJob } from './jobs/SendEmailJob'"),
  'src/urgent.ts': `import { SendEmailJob } from './jobs/SendEmailJob'\n${snippet('dispatchNow({')}`,
  'src/remind.ts': `import { SendReminderJob } from './jobs/leftOut'\n${snippet('job.delay = 60000')}`,
  'src/delays.ts': `import { SendReminderJob } from './jobs/leftOut'
const job = new SendReminderJob()
${snippet('// Seconds')}`,
  'src/handleErrors.ts': `import { SendEmailJob } from './jobs/SendEmailJob'
${snippet('try {').replace('catch (error)', 'catch (error: any)')}`,
  'src/checkStatus.ts': `import { MyJob } from './jobs/leftOut'
const payload = { name: 'Ada' }
${snippet('const dispatched = ')}`,
  'src/storeIds.ts': `import { ProcessUserJob } from './jobs/ProcessUserJob'
const largeUserObject = { id: 123, notes: 'x'.repeat(10_000) }
${snippet('// Avoid - storing large objects')}`,
  'src/useQueues.ts': `import { GenerateReportJob } from './jobs/queues'
import { SendPasswordResetJob, UpdateSearchIndexJob } from './jobs/leftOut'
const payload = { userId: 1, month: '2026-11' }
${snippet('// Critical - user-facing').replaceAll('{ ... }', '{ ...payload }')}`,
  'src/commands/ProcessAllUsersCommand.ts': exported(snippet('class ProcessAllUsersCommand')),
  'src/commands/BulkProcessCommand.ts': `import { Command } from '@s18i/lark'
import { ProcessItemJob } from '../jobs/leftOut'
${withMembers(
  exported(snippet('class BulkProcessCommand')),
  `  private async getItems() {
    return Array.from({ length: 10_000 }, (_, id) => ({ id }))
  }`,
)}`,
  'src/jobs/ProcessOrderJob.ts': exported(snippet('class ProcessOrderJob')),
  'src/jobs/queues.ts': `import { Job } from '@s18i/lark-jobs'
interface EmailPayload { to: string }
interface ReportPayload { month: string }
${exported(snippet('class UrgentEmailJob'))}`,
  'src/jobs/ProcessPaymentJob.ts': `import { Job } from '@s18i/lark-jobs'
${withMembers(
  exported(snippet('class ProcessPaymentJob')),
  `  static readonly processed = new Set<string>()
  private async isAlreadyProcessed(paymentId: string) {
    return ProcessPaymentJob.processed.has(paymentId)
  }
  private async processPayment(paymentId: string) {
    ProcessPaymentJob.processed.add(paymentId)
  }`,
)}`,
  'src/jobs/SendEmailJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('SendEmailJob', '{ to: string; subject: string; body?: string }', "queueName = 'emails'")}`,
  'src/jobs/UpdateStatsJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('UpdateStatsJob', '{ type: string; orderId: string }')}`,
  'src/jobs/ProcessUserJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('ProcessUserJob', '{ userId: number } | { user: { id: number; notes: string } }')}`,
  'src/jobs/leftOut.ts': `import { Job } from '@s18i/lark-jobs'
${job('SendReminderJob', '{ userId: number; message: string }')}
${job('ProcessItemJob', '{ itemId: number }')}
${job('MyJob', '{ name: string }')}
${job('SendPasswordResetJob', '{ userId: number }', "queueName = 'high-priority'")}
${job('UpdateSearchIndexJob', '{ userId: number }')}`,
  // Dispatches the classes for which the page shows no dispatch.
  'src/others.ts': `import { ProcessOrderJob } from './jobs/ProcessOrderJob'
import { ProcessPaymentJob } from './jobs/ProcessPaymentJob'
import { RegularEmailJob, UrgentEmailJob } from './jobs/queues'
await new ProcessOrderJob().dispatch({ orderId: 'A-1' })
await new UrgentEmailJob().dispatch({ to: 'ada@example.com' })
await new RegularEmailJob().dispatch({ to: 'ada@example.com' })
await new ProcessPaymentJob().dispatch({ paymentId: 'P-1' })
`,
  'src/payTwice.ts': `import { ProcessPaymentJob } from './jobs/ProcessPaymentJob'
await new ProcessPaymentJob().dispatchNow({ paymentId: 'P-2' })
await new ProcessPaymentJob().dispatchNow({ paymentId: 'P-2' })
`,
}
