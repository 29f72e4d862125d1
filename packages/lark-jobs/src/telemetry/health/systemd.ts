/**
 * Tells systemd that a service of `Type=notify` is ready, is stopping, or is alive (`WatchdogSec=`).
 *
 * systemd listens on a Unix datagram socket, which Node cannot open. So each message is sent by the program
 * `systemd-notify`, which comes with systemd. The unit needs `NotifyAccess=all`, because that program is
 * another process.
 */
import { spawn } from 'node:child_process'
import { Part } from '../../worker/part.ts'

export class Systemd extends Part {
  readonly #warn: (text: string) => void
  readonly #ailment: () => string | undefined
  #timer: NodeJS.Timeout | undefined
  #hasWarned = false

  /**
   * @param ailment returns what is wrong with the service; it is called as often as the watchdog expects a
   *   message
   * @returns undefined if the process is not a service of `Type=notify`
   */
  static find(warn: (text: string) => void, ailment: () => string | undefined): Systemd | undefined {
    return process.env.NOTIFY_SOCKET ? new Systemd(warn, ailment) : undefined
  }

  private constructor(warn: (text: string) => void, ailment: () => string | undefined) {
    super()
    this.#warn = warn
    this.#ailment = ailment
  }

  /** Reports that the service is ready. */
  protected override onStart(): void {
    this.#send('READY=1')
    const within = Number(process.env.WATCHDOG_USEC) / 1_000
    const isForUs = [undefined, '', String(process.pid)].includes(process.env.WATCHDOG_PID)
    if (!(within > 0) || !isForUs) return
    this.#timer = setInterval(() => {
      const found = this.#ailment()
      if (found === undefined) this.#send('WATCHDOG=1')
      else this.#warn(`systemd is not told that this service is well: ${found}`)
    }, within / 2).unref()
  }

  protected override onStop(): void {
    clearInterval(this.#timer)
    this.#send('STOPPING=1')
  }

  #send(message: string): void {
    const child = spawn('systemd-notify', [message], { stdio: 'ignore' })
    child.unref()
    child.once('error', (error) => {
      if (this.#hasWarned) return
      this.#hasWarned = true
      this.#warn(`systemd cannot be told ${message}: ${error.message}. Without systemd-notify, use Type=exec`)
    })
  }
}
