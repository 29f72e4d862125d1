/**
 * A network that can be broken: a TCP proxy between a server and one role or all roles.
 *
 * Bytes that are held or delayed arrive in the end, even if the sender has closed its connection. In real
 * networks, too, a server may carry out a command after its client has given up.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 *   clear     all bytes pass
 *   cut       connections end, and new ones too
 *   hold      bytes wait, in both directions, until the network is clear
 *   drop      bytes are lost; a connection that lost some breaks when the network is clear
 *   delay     bytes take `ms` longer, in each direction
 *   lossy     a reply is lost, and its connection ends, after the command ran: one in `oneIn`
 */
export type Weather =
  | { kind: 'clear' | 'cut' | 'hold' | 'drop' }
  | { kind: 'delay'; ms: number }
  | { kind: 'lossy'; isLost: () => boolean }

/** One direction of a connection: the bytes that arrived and were not passed on yet. */
class Pipe {
  readonly #to: Socket
  readonly #isReply: boolean
  readonly #network: Network
  /** `null` stands for the end of the connection. */
  readonly #waiting: { data: Buffer | null; due: number }[] = []
  #timer: NodeJS.Timeout | undefined
  hasLost = false

  constructor(network: Network, from: Socket, to: Socket, isReply: boolean) {
    this.#network = network
    this.#to = to
    this.#isReply = isReply
    from.on('data', (data) => this.#arrive(data))
    from.on('end', () => this.#arrive(null))
    from.on('error', () => {})
    from.on('close', (isBroken) => (isBroken ? this.#arrive(null) : undefined))
  }

  #arrive(data: Buffer | null): void {
    const { weather } = this.#network
    if (weather.kind === 'drop' && data !== null) {
      this.hasLost = true
      return
    }
    if (weather.kind === 'lossy' && this.#isReply && data !== null && weather.isLost()) {
      this.break()
      return
    }
    this.#waiting.push({ data, due: performance.now() + (weather.kind === 'delay' ? weather.ms : 0) })
    this.flush()
  }

  /** Passes on the bytes that are due. */
  flush(): void {
    clearTimeout(this.#timer)
    if (this.#network.weather.kind === 'hold') return
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const wait = first.due - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.flush(), wait)
        return
      }
      this.#waiting.shift()
      if (first.data === null) this.#to.end()
      else if (this.#to.writable) this.#to.write(first.data)
    }
  }

  /** Ends the connection in this direction only. */
  halfClose(): void {
    this.#arrive(null)
  }

  break(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
    this.#network.breakConnection(this)
  }
}

export class Network implements AsyncDisposable {
  readonly #server: Server
  readonly #connections = new Map<Pipe, { sockets: [Socket, Socket]; other: Pipe }>()
  #weather: Weather = { kind: 'clear' }

  private constructor(target: number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      if (this.#weather.kind === 'cut') return void client.on('error', () => {}).resetAndDestroy()
      const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      const words = new Pipe(this, client, upstream, false)
      const replies = new Pipe(this, upstream, client, true)
      this.#connections.set(words, { sockets: [client, upstream], other: replies })
      let open = 2
      for (const socket of [client, upstream])
        socket.on('close', () => {
          open -= 1
          if (open === 0) this.#connections.delete(words)
        })
    })
  }

  /** @param target the server's port on the loopback */
  static async to(target: number): Promise<Network> {
    const network = new Network(target)
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve))
    return network
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get weather(): Weather {
    return this.#weather
  }

  set weather(weather: Weather) {
    this.#weather = weather
    for (const [pipe, { other }] of this.#connections) {
      if (weather.kind === 'cut' || pipe.hasLost || other.hasLost) pipe.break()
      else for (const each of [pipe, other]) each.flush()
    }
  }

  /** Ends one direction of every present connection, while the other direction stays open. */
  halfClose(side: () => 'client' | 'server'): void {
    for (const [pipe, { other }] of this.#connections) (side() === 'client' ? other : pipe).halfClose()
  }

  breakConnection(pipe: Pipe): void {
    for (const [words, { sockets, other }] of this.#connections)
      if (pipe === words || pipe === other) for (const socket of sockets) socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.weather = { kind: 'cut' }
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
