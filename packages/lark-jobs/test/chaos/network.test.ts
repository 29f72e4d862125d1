/**
 * Tests the network that can be broken. If the network did not break as described, a fault of the network
 * would have no effect and prove nothing.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Network } from './network.ts'

/** An echo server behind a network, and a client in front of it. */
class Line implements AsyncDisposable {
  heard = ''
  said = ''
  closed = false
  readonly ends: string[] = []

  readonly network: Network
  readonly client: Socket
  readonly #close: () => Promise<void>

  private constructor(network: Network, client: Socket, close: () => Promise<void>) {
    this.network = network
    this.client = client
    this.#close = close
  }

  static async make(): Promise<Line> {
    let line: Line | undefined
    const sockets = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('end', () => line?.ends.push('server'))
      socket.on('data', (data) => {
        line!.said += data
        if (socket.writable) socket.write(data)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const network = await Network.to((server.address() as { port: number }).port)
    const client = connect({ port: network.port, host: '127.0.0.1', allowHalfOpen: true })
    const close = async () => {
      client.destroy()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
    line = new Line(network, client, close)
    client.on('error', () => {})
    client.on('data', (data) => (line.heard += data))
    client.on('end', () => line.ends.push('client'))
    client.on('close', () => (line.closed = true))
    await once(client, 'connect')
    client.write('hello')
    await vi.waitFor(() => expect(line.heard).toBe('hello'))
    return line
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]()
    await this.#close()
  }
}

test('hold: bytes arrive when the network is clear again, also from a client that has given up', async () => {
  await using line = await Line.make()
  line.network.weather = { kind: 'hold' }
  line.client.write(' late')
  await pause(50)
  expect(line.said).toBe('hello')
  line.client.destroy()
  await pause(20)
  line.network.weather = { kind: 'clear' }
  await vi.waitFor(() => expect(line.said).toBe('hello late'))
})

test('drop: bytes never arrive, and the connection breaks when the network is clear again', async () => {
  await using line = await Line.make()
  line.network.weather = { kind: 'drop' }
  line.client.write(' gone')
  await pause(50)
  expect(line.closed).toBe(false)
  line.network.weather = { kind: 'clear' }
  await vi.waitFor(() => expect(line.closed).toBe(true))
  expect(line.said).toBe('hello')
})

test('cut: present connections and new connections end', async () => {
  await using line = await Line.make()
  line.network.weather = { kind: 'cut' }
  await vi.waitFor(() => expect(line.closed).toBe(true))
  const another = connect({ port: line.network.port, host: '127.0.0.1' }).on('error', () => {})
  await new Promise((resolve) => another.once('close', resolve))
})

test('delay: all bytes arrive later, in their order', async () => {
  await using line = await Line.make()
  line.network.weather = { kind: 'delay', ms: 60 }
  const began = performance.now()
  line.client.write(' one')
  await pause(10)
  line.client.write(' two')
  await vi.waitFor(() => expect(line.heard).toBe('hello one two'))
  expect(performance.now() - began).toBeGreaterThan(115)
})

test('lossy: the server carries out a command, and its reply is lost', async () => {
  await using line = await Line.make()
  line.network.weather = { kind: 'lossy', isLost: () => true }
  line.client.write(' done')
  await vi.waitFor(() => expect(line.closed).toBe(true))
  expect([line.said, line.heard]).toEqual(['hello done', 'hello'])
})

test.each(['client', 'server'] as const)(
  'half-close: only the %s sees the end of the connection',
  async (side) => {
    await using line = await Line.make()
    line.network.halfClose(() => side)
    await vi.waitFor(() => expect(line.ends).toEqual([side]))
    if (side === 'client') {
      line.client.write(' more')
      await vi.waitFor(() => expect(line.said).toBe('hello more'))
    } else {
      expect(line.closed).toBe(false)
    }
  },
)
