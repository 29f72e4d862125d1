/**
 * One connection to a server, from dialled to lost; the only place that knows the client library. It is loaded
 * with the first one. No link keeps the process alive: whoever waits for an answer holds a timer that does.
 *
 * node-redis 6.3 against ioredis 6.0, microseconds of CPU in this process a call, on our own calls, same machine
 * and server, loopback, Node 20 (three rounds, the best):
 *
 *                                            node-redis   ioredis
 *   enqueue of 100 jobs, 10 under way            25          38
 *   exchange: settles 50, claims 50              36          59
 *   a script without arguments, 50 under way      8           6
 *   loading the library, once                 52 ms       34 ms
 *
 * What costs is the batches, hence node-redis. Of either we use neither reconnecting nor queueing nor resending.
 */
import { type Address, nameOf } from './address.ts'
import { Refusal, Unsent } from './failure.ts'

export interface Link {
  /** @throws Refusal, Unsent, or whatever ended the link before the answer came */
  send(command: readonly string[]): Promise<unknown>
  subscribe(channel: string, hear: (message: string) => void): Promise<void>
  unsubscribe(channel: string): Promise<void>
  /** Answers that are still to come. */
  readonly pending: number
  /** Resolves with the reason when the link has ended. */
  readonly lost: Promise<unknown>
  /** Ends it when the answers that are under way have come. */
  retire(): void
  /** Ends it now. */
  destroy(reason: unknown): void
}

/**
 * @param timeout milliseconds for all of it: a server that accepts connections and says nothing counts as none
 * @param signal gives it up
 * @throws Refusal when the server does not want us, or whatever went wrong
 */
export async function dial(address: Address, timeout: number, signal: AbortSignal): Promise<Link> {
  const { createClient, ErrorReply, ClientOfflineError, ClientClosedError } = await import('@redis/client')
  const { host, port, path, tls, database, username, password } = address
  const place = path === undefined ? { host, port } : { path }
  const secure = tls ? { tls: true as const, servername: host, ...(typeof tls === 'object' && tls) } : {}
  const client = createClient({
    socket: { ...place, ...secure, connectTimeout: timeout, reconnectStrategy: false },
    database,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
  })
  client.unref()
  let end!: (reason: unknown) => void
  let reason: unknown
  const lost = new Promise<unknown>((resolve) => {
    end = resolve
  })
  const destroy = (why: unknown) => {
    reason ??= why
    end(why)
    client.destroy()
  }
  client.on('error', destroy)
  client.on('end', () => destroy(new Error('the connection was closed')))

  let retired = false
  let pending = 0
  const done = () => {
    pending -= 1
    if (retired && pending === 0) destroy(new Error('the connection was given up'))
  }
  const link: Link = {
    lost,
    destroy,
    get pending() {
      return pending
    },
    send(command) {
      pending += 1
      return client.sendCommand(command).then(
        (reply) => {
          done()
          return reply
        },
        (error) => {
          done()
          if (error instanceof ErrorReply) throw new Refusal(error.message)
          if (error instanceof ClientOfflineError || error instanceof ClientClosedError) throw new Unsent()
          // The client only says that it was told to end.
          throw reason ?? error
        },
      )
    },
    subscribe: (channel, hear) => client.subscribe(channel, hear),
    unsubscribe: (channel) => client.unsubscribe(channel),
    retire() {
      retired = true
      if (pending === 0) destroy(new Error('the connection was given up'))
    },
  }

  const timer = setTimeout(() => destroy(new Error(`connect ETIMEDOUT ${nameOf(address)}`)), timeout).unref()
  const abort = () => destroy(signal.reason)
  signal.addEventListener('abort', abort)
  const connected = client.connect().then(() => link.send(['PING']))
  try {
    await Promise.race([connected, lost.then((why) => Promise.reject(why))])
    return link
  } catch (error) {
    // The race's loser, and what the client says while it is torn down, have no listener any more.
    connected.catch(() => {})
    destroy(error)
    throw error instanceof ErrorReply ? new Refusal(error.message) : error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}
