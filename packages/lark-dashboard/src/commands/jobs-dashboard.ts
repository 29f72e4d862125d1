import { createInterface } from 'node:readline'
import { Command, flag } from '@s18i/lark'
import { LarkError } from '@s18i/lark/config'
import { defined } from '@s18i/lark/internal'
import { Jobs } from '@s18i/lark-jobs'
import { type ConfiguredDashboard, operate } from '@s18i/lark-jobs/operate'
import { roles } from '../server/guard/viewer.ts'
import { isLoopback } from '../server/serve/listening.ts'
import { LocalDashboard } from '../server/serve/local.ts'
import { startShared } from '../server/serve/shared.ts'

/**
 * `lark jobs:dashboard`: opens the dashboard in the browser of the person who runs the command, on this
 * machine only. If the configuration has `authorize`, other people whom `authorize` accepts can use the
 * dashboard, too.
 */
export class JobsDashboardCommand extends Command {
  readonly key = 'jobs:dashboard'
  override description =
    'Open the dashboard: for you alone, with a link that works once, or for others, as jobs.dashboard says'
  port = flag.number('Listen on this port; 0 means any free port. Default: as configured, or 7575', {
    wholeFrom: 0,
  })
  host = flag.string('Listen on this host. Other machines are refused unless jobs.dashboard has authorize()')
  role = flag.enum(
    'Open it for you alone, with this role. Default: admin, unless authorize() is configured',
    roles,
  )

  async handle() {
    await using jobs = Jobs
    // A wrong configuration ends the command. A store that does not answer does not end the command, because
    // the dashboard shows this problem.
    const said = await operate(jobs).dashboard()
    const { authorize, base, hosts, environment } = said
    const port = this.port ?? said.port
    const more = environment === undefined ? {} : { environment }
    if (authorize !== undefined && this.role === undefined) {
      const host = this.host ?? said.host
      const options = { jobs, authorize, base, ...defined({ hosts }), ...more }
      const shared = await startShared(options, { host, port })
      try {
        if (this.json) this.console.json({ url: shared.url })
        else {
          this.info('The dashboard is open for all whom authorize() lets in, until you end this with Ctrl-C:')
          this.line(shared.url)
        }
        await this.#ended()
      } finally {
        await shared.close()
      }
      return 0
    }
    this.#checkHost(said, port)
    const local = await LocalDashboard.start({ jobs, port, role: this.role ?? 'admin', ...more })
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
   * Refuses a host that other machines can reach. A link is only for the person who sees it, so it must not
   * work from other machines.
   *
   * @throws DASHBOARD_OPEN
   */
  #checkHost({ authorize, host: configured }: ConfiguredDashboard, port: number): void {
    const host = this.host ?? (authorize === undefined ? configured : '127.0.0.1')
    if (isLoopback(host)) return
    const message = `Without authorize(), jobs:dashboard listens on this machine only, not on '${host}'`
    const hint = `Set authorize and hosts of jobs.dashboard in lark.config, or use a tunnel: ssh -L ${port}:127.0.0.1:${port} HOST`
    throw new LarkError('DASHBOARD_OPEN', message, { exit: 2, hint })
  }

  /** Serves the dashboard until the command is ended. Each Enter in the terminal prints another link. */
  async #serve(local: LocalDashboard): Promise<void> {
    const lines = process.stdin.isTTY && !this.json ? createInterface({ input: process.stdin }) : undefined
    lines?.on('line', () => this.line(local.link))
    lines?.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    await this.#ended()
    lines?.close()
  }

  async #ended(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.signal.aborted) resolve()
      this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}
