/**
 * A network that can be broken: a TCP proxy in front of a server.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Connections that no longer pass bytes, while both sides still see them as open. */
  readonly #silent = new WeakSet<Socket>()
  #losing: (() => void) | undefined
  #words: string[] = []
  /** How many connections were made since the beginning. */
  connections = 0
  /** The ports of the proxy, as the server sees them. */
  readonly ports = new Set<number>()
  /** How many bytes have passed to the server and back since the beginning. */
  readonly bytes = { in: 0, out: 0 }
  /** Milliseconds that each byte takes to the server. */
  delay = 0
  /**
   * Returns whether to hold back data of a client. `text`: all data that is held back for the connection, and
   * the new data.
   */
  holds: (text: string) => boolean = () => false

  private constructor(target: number) {
    this.#server = createServer((client) => {
      this.connections += 1
      const upstream = connect(target, '127.0.0.1')
      upstream.once('connect', () => this.ports.add(upstream.localPort!))
      this.#track(client, upstream)
      this.#track(upstream, client)
      const held: Buffer[] = []
      client.on('data', (sent) => {
        if (this.#silent.has(client)) return
        held.push(sent)
        if (this.holds(held.join(''))) return
        const data = Buffer.concat(held.splice(0))
        this.bytes.in += data.length
        if (this.#words[0] !== undefined && data.includes(this.#words[0])) {
          this.#words.shift()
          void this.loseNextReply()
        }
        if (this.delay === 0) upstream.write(data)
        else setTimeout(() => upstream.write(data), this.delay)
      })
      upstream.on('data', (data) => {
        if (this.#silent.has(client)) return
        this.bytes.out += data.length
        if (this.#losing) {
          this.#losing()
          this.#losing = undefined
          client.destroy()
        } else {
          client.write(data)
        }
      })
    })
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  /** Loses the next reply, and ends its connection. Resolves when this has happened. */
  loseNextReply(): Promise<void> {
    return new Promise((resolve) => {
      this.#losing = resolve
    })
  }

  /**
   * Loses the reply to the next command with the first word, then the reply to the next command with the
   * second word, and so on.
   */
  loseRepliesTo(...words: string[]): void {
    this.#words = words
  }

  /** The words of `loseRepliesTo` whose replies are not lost yet. */
  get unlost(): readonly string[] {
    return this.#words
  }

  /** Ends every present connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Silences the present connections: they stay open, but no longer pass bytes. */
  silence(): void {
    for (const socket of this.#sockets) this.#silent.add(socket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #track(socket: Socket, other: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      other.destroy()
    })
  }
}
