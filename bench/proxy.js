/**
 * A TCP proxy that delays every byte in each direction, like the network between a client and a distant
 * server. The proxy keeps the order of the bytes, and any number of bytes can be on the way. So the proxy
 * adds latency without a limit of the throughput.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * @param {string} url the URL of the server
 * @param {number} delay milliseconds in each direction; timers may add a little
 * @returns the URL of the proxy, which replaces the URL of the server
 */
export async function startProxy(url, delay) {
  const { hostname, port } = new URL(url)
  const target = { host: hostname, port: Number(port || 6379) }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...target, noDelay: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      carry(from, to, delay)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = new URL(url)
  near.host = `127.0.0.1:${server.address().port}`
  return { url: near.href, stop: () => server.close() }
}

function carry(from, to, delay) {
  /** @type {{ due: number, chunk: Buffer }[]} */
  const underway = []
  const arrive = () => {
    // A timer may fire a fraction of a millisecond early, as measured by `performance.now()`.
    const now = performance.now() + 0.2
    while (underway.length > 0 && underway[0].due <= now) to.write(underway.shift().chunk)
    if (underway.length > 0) setTimeout(arrive, underway[0].due - now)
  }
  from.on('data', (chunk) => {
    underway.push({ due: performance.now() + delay, chunk })
    if (underway.length === 1) setTimeout(arrive, delay)
  })
}
