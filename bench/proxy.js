/**
 * A TCP proxy that keeps every byte for a while, each way: the distance between a client and its server. It reorders
 * nothing, and however much is on the way, it takes more: only time is lost, not throughput.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * @param {string} url of the server
 * @param {number} delay milliseconds each way; timers are a little late on top
 * @returns the URL to use instead
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
    // A timer may fire a fraction of a millisecond early by this clock.
    const now = performance.now() + 0.2
    while (underway.length > 0 && underway[0].due <= now) to.write(underway.shift().chunk)
    if (underway.length > 0) setTimeout(arrive, underway[0].due - now)
  }
  from.on('data', (chunk) => {
    underway.push({ due: performance.now() + delay, chunk })
    if (underway.length === 1) setTimeout(arrive, delay)
  })
}
