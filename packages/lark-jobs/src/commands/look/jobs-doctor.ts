import { Command, flag, LarkError } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type DoctorFinding, type Operate, operate, type QueueIncident } from '../../operate.ts'
import { incidentsInLines, writtenIncident } from '../words/incident-words.ts'
import { inCommands } from '../words/remedy-commands.ts'
import { writtenFinding } from '../words/written-finding.ts'

const marks = { error: '✗', warning: '!', ok: '✓' } as const
const colors = { error: 'red', warning: 'yellow', ok: 'green' } as const

/** `lark jobs:doctor`: finds problems of the store, the queues and the workers, and says what to do. */
export class JobsDoctorCommand extends Command {
  readonly key = 'jobs:doctor'
  override description = 'Check the store, the queues and the workers, and say what to do'
  strict = flag.boolean('Exit with 1 even if there are only warnings')

  async handle(): Promise<number> {
    await using jobs = Jobs
    const operating = operate(jobs)
    const findings = await operating.doctor()
    const incidents = await this.#incidents(operating, findings)
    const count = (level: DoctorFinding['level']) =>
      findings.filter((finding) => finding.level === level).length
    const [errors, warnings, fine] = [count('error'), count('warning'), count('ok')]
    if (this.json)
      this.console.json({
        ...{ incidents: incidents.map(writtenIncident), findings: findings.map(writtenFinding) },
        ...{ errors, warnings, ok: fine },
      })
    else {
      const paint = (colour: 'red' | 'yellow', text: string) => this.console.paint(colour, text)
      for (const line of incidentsInLines(incidents, paint)) this.line(line)
      const shown = findings.filter(({ level }) => level !== 'ok' || this.console.isVerbose)
      if (shown.length > 0)
        this.table(
          ['', 'FINDING'],
          shown.flatMap((finding) => this.#rows(finding)),
        )
      const wrong = [many(errors, 'error'), many(warnings, 'warning')].filter((text) => text !== '')
      this.line(`${[...wrong, `${fine} of ${findings.length} checks are fine`].join(', ')}`)
    }
    return errors > 0 || (this.strict && warnings > 0) ? 1 : 0
  }

  /**
   * The incidents of queues. All other incidents are among the findings. If the store cannot be opened, the
   * list is empty.
   */
  async #incidents(operating: Operate, findings: readonly DoctorFinding[]): Promise<QueueIncident[]> {
    const canLook = findings.some(
      ({ code, level }) => code === 'queue-served' || (code === 'store-opens' && level === 'ok'),
    )
    if (!canLook) return []
    const all = await operating.incidents().catch((error: unknown) => {
      if (LarkError.is(error)) return []
      throw error
    })
    return all.flatMap((each) => (each.kind === 'finding' ? [] : each))
  }

  #rows({ level, subject, text, advice, code }: DoctorFinding): [string, string][] {
    const mark = this.console.paint(colors[level], marks[level])
    const name = this.console.isVerbose ? ` (${code})` : ''
    const finding: [string, string] = [mark, `${visible(`${subject}: ${text}`)}${name}`]
    return advice === undefined ? [finding] : [finding, ['', visible(`→ ${inCommands(advice)}`)]]
  }
}

function many(count: number, noun: string): string {
  return count === 0 ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`
}
