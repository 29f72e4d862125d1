/** A small HTTP server for GET requests of machines: health checks and Prometheus. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { JobsError } from '../../model/errors.ts'
import { Part } from '../../worker/part.ts'
import type { HttpAnswer } from './endpoints.ts'

/** Where to listen. */
export interface HttpAddress {
  /** The address to listen on. Undefined means all addresses. */
  host: string | undefined
  /** The port to listen on. 0 means any free port. */
  port: number
}

/** How long a request may take to arrive, in milliseconds. */
const ARRIVAL = 5_000

/** @returns undefined for a text that is neither a port nor `ADDRESS:PORT` */
export function addressIn(text: string): HttpAddress | undefined {
  const found = /^(?:\[([\da-fA-F:.]+)\]:|([^:[\]\s]+):)?(\d{1,5})$/.exec(text)
  const port = Number(found?.[3])
  return found === null || port > 65_535 ? undefined : { host: found[1] ?? found[2], port }
}

export class HttpServer extends Part {
  readonly #address: HttpAddress
  readonly #server: Server

  constructor(address: HttpAddress, answer: (url: string) => Promise<HttpAnswer>) {
    super()
    this.#address = address
    this.#server = createServer(async (request, response) => {
      const { method = '', url = '' } = request
      const isRead = method === 'GET' || method === 'HEAD'
      const failed = (): HttpAnswer => ({ status: 500, text: 'The answer could not be made\n' })
      const {
        status,
        text,
        type = 'text/plain; charset=utf-8',
      } = isRead ? await answer(url).catch(failed) : { status: 405, text: 'Only GET\n' }
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
      response.end(method === 'HEAD' ? undefined : text)
    })
    this.#server.headersTimeout = ARRIVAL
    this.#server.requestTimeout = ARRIVAL
  }

  /** The address of the server, once it has started. */
  get url(): string {
    const { host } = this.#address
    const name = host === undefined ? 'localhost' : host.includes(':') ? `[${host}]` : host
    return `http://${name}:${(this.#server.address() as AddressInfo).port}`
  }

  /** @throws HTTP_UNAVAILABLE */
  protected override onStart(): Promise<void> {
    const { host, port } = this.#address
    return new Promise((resolve, reject) => {
      const at = `${host === undefined ? 'port' : `${host}, port`} ${port}`
      this.#server.once('error', ({ message }) =>
        reject(unavailable(`Health checks and metrics cannot be answered on ${at}: ${message}`)),
      )
      this.#server.listen(port, host, resolve)
    })
  }

  protected override onStop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

export function unavailable(text: string): JobsError {
  return new JobsError('HTTP_UNAVAILABLE', text, { hint: 'Give --http another port.' })
}
