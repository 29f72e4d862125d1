import { createInterface } from 'node:readline'
import { Command, flag } from '@s18i/lark'
import { LarkError } from '@s18i/lark/config'
import { Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { LocalDashboard } from '../server/local.ts'
import { roles } from '../server/viewer.ts'

/** Where the dashboard listens unless said otherwise. */
const PORT = 7575
const loopback = ['127.0.0.1', 'localhost']

/** `lark jobs:dashboard`: the dashboard in the browser of whoever runs it, on this machine only. */
export class JobsDashboardCommand extends Command {
  readonly key = 'jobs:dashboard'
  override description = 'Open the dashboard for this machine: prints a link that works once'
  port = flag.number('Listen on this port of the loopback; 0: one that is free', {
    default: PORT,
    wholeFrom: 0,
  })
  host = flag.string('Only the loopback is allowed: others need authorize(), in your own server', {
    default: loopback[0]!,
  })
  role = flag.enum('What may be done in it', roles, { default: 'admin' })

  async handle() {
    this.#checkHost()
    await using jobs = Jobs
    // A wrong configuration ends the command; a store that is away is shown in the dashboard.
    await operate(jobs).place()
    const local = await LocalDashboard.start({ jobs, port: this.port, role: this.role })
    try {
      if (this.json) this.console.json({ url: local.url, link: local.link })
      else {
        this.info('The dashboard is open for you, on this machine, until you end this with Ctrl-C:')
        this.line(local.link)
        if (process.stdin.isTTY) this.info('The link works once. Press Enter for another one.')
      }
      await this.#serve(local)
    } finally {
      await local.close()
    }
    return 0
  }

  /**
   * The link is for whoever sees it, so it must not lead in from other machines.
   *
   * @throws DASHBOARD_OPEN
   */
  #checkHost(): void {
    if (loopback.includes(this.host)) return
    const message = `jobs:dashboard listens on this machine only, and --host is '${this.host}'`
    const hint = `Mount dashboard({ authorize }) in your server, or use a tunnel: ssh -L ${this.port}:127.0.0.1:${this.port} HOST`
    throw new LarkError('DASHBOARD_OPEN', message, { exit: 2, hint })
  }

  /** Until somebody ends the command. */
  async #serve(local: LocalDashboard): Promise<void> {
    const lines = process.stdin.isTTY && !this.json ? createInterface({ input: process.stdin }) : undefined
    lines?.on('line', () => this.line(local.link))
    lines?.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    await new Promise<void>((resolve) => {
      if (this.signal.aborted) resolve()
      this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    lines?.close()
  }
}
