/** An HTTP server of Node that listens on one port until it is closed. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LarkError } from '@s18i/lark/config'

export interface Place {
  host: string
  /** The number of the port. 0 means any free port. */
  port: number
}

/** Whether only this machine can reach a host name. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)
}

export class Listening implements AsyncDisposable {
  readonly #server: Server
  readonly #host: string

  private constructor(server: Server, host: string) {
    this.#server = server
    this.#host = host
  }

  /** @throws DASHBOARD_UNAVAILABLE */
  static async start(answer: RequestListener, { host, port }: Place): Promise<Listening> {
    const server = createServer(answer)
    await new Promise<void>((resolve, reject) => {
      server.once('error', ({ message }) => {
        const text = `The dashboard cannot listen on port ${port} of ${host}: ${message}`
        const hint = 'Choose another port: --port=8080, or --port=0 for any free port.'
        reject(new LarkError('DASHBOARD_UNAVAILABLE', text, { hint }))
      })
      server.listen(port, host, resolve)
    })
    return new Listening(server, host)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The address of the server, without a slash at the end. */
  get origin(): string {
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }
}
