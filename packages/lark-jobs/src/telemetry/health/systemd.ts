/**
 * Tells systemd that a service of `Type=notify` is ready, stops, and is well (`WatchdogSec=`).
 *
 * systemd listens on a datagram socket of Unix, which Node cannot open. So each message is sent by the program
 * `systemd-notify`, which is there wherever systemd is. The unit needs `NotifyAccess=all`, because it is another process.
 */
import { spawn } from 'node:child_process'

export class Systemd {
  readonly #warn: (text: string) => void
  #timer: NodeJS.Timeout | undefined
  #hasWarned = false

  /** Undefined if the process is no service that notifies. */
  static find(warn: (text: string) => void): Systemd | undefined {
    return process.env.NOTIFY_SOCKET ? new Systemd(warn) : undefined
  }

  private constructor(warn: (text: string) => void) {
    this.#warn = warn
  }

  /** The service is ready. @param ailment what ails it; asked for as often as the watchdog wants to hear from it */
  ready(ailment: () => string | undefined): void {
    this.#send('READY=1')
    const within = Number(process.env.WATCHDOG_USEC) / 1_000
    const isForUs = [undefined, '', String(process.pid)].includes(process.env.WATCHDOG_PID)
    if (!(within > 0) || !isForUs) return
    this.#timer = setInterval(() => {
      const found = ailment()
      if (found === undefined) this.#send('WATCHDOG=1')
      else this.#warn(`systemd is not told that this service is well: ${found}`)
    }, within / 2).unref()
  }

  stopping(): void {
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
