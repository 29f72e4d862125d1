/** How a client reads the map of slots of a cluster whose nodes hang. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { askShards } from '../../src/store/redis/client/topology.ts'
import { addressOf } from './server.ts'

/** A server that gives the same answer to each command, or never answers. */
async function serve(answer?: (words: string, port: number) => string) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (answer !== undefined) socket.write(answer(data.toString(), port))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: addressOf(`redis://127.0.0.1:${port}`),
    sockets,
    [Symbol.dispose]: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('the connection to a silent node is closed when another node has answered', async () => {
  using silent = await serve()
  using node = await serve((words, port) => {
    const map = `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$2\r\nid\r\n`
    return words.includes('SLOTS') ? map : '+PONG\r\n'
  })
  const warnings: string[] = []
  const warned = ({ name }: Error) => warnings.push(name)
  process.on('warning', warned)
  const { signal } = new AbortController()
  for (let read = 0; read < 12; read++)
    expect(await askShards([silent.address, node.address], signal)).toMatchObject([{ first: 0, id: 'id' }])
  await expect.poll(() => silent.sockets.filter(({ closed }) => !closed).length, { timeout: 500 }).toBe(0)
  process.off('warning', warned)
  expect(warnings).toEqual([])
})
