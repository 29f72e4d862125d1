/**
 * The mail server of the example: an SMTP server on the loopback that behaves like a real one.
 *
 * The server refuses an invalid address (501) and a host that is not a host name (550). It asks the senders
 * to recipients in some countries to try again (450, greylisting, RFC 6647), and accepts only the second
 * attempt. It accepts all other e-mails. An e-mail with a known Message-ID is accepted again, but not counted
 * again.
 *
 * `node mail-server.js [PORT]` serves until Ctrl-C. The file is plain JavaScript, because the demo runs it
 * without Lark.
 */
import { domainToASCII, fileURLToPath } from 'node:url'
import { SMTPServer } from 'smtp-server'

const HOST_NAME = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+test$/i
const GREYLISTING = /\.(be|fi)\.test$/i

export class MailServer {
  /** The accepted e-mails by their Message-ID. @type {Map<string, string>} */
  received = new Map()
  /** For how many recipients the sender was asked to try again. */
  greylisted = 0

  /** @type {Set<string>} */
  #seen = new Set()
  #server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo: ({ address }, _session, callback) => callback(this.#judge(address)),
    onData: (stream, _session, callback) => {
      /** @type {Buffer[]} */
      const chunks = []
      stream.on('data', (chunk) => chunks.push(chunk))
      stream.on('end', () => {
        this.#take(Buffer.concat(chunks).toString())
        callback()
      })
    },
  })

  /**
   * Listens on 127.0.0.1, on the given port or on a free port.
   * @returns {Promise<string>} the URL of the server
   */
  start(port = 0) {
    return new Promise((resolve, reject) => {
      this.#server.on('error', reject)
      const socket = this.#server.listen(port, '127.0.0.1', () => {
        const address = /** @type {import('node:net').AddressInfo} */ (socket.address())
        resolve(`smtp://127.0.0.1:${address.port}`)
      })
    })
  }

  /** @returns {Promise<void>} */
  stop() {
    return new Promise((resolve) => this.#server.close(resolve))
  }

  /** @param {string} address */
  #judge(address) {
    const host = address.slice(address.lastIndexOf('@') + 1)
    // The name in ASCII ("xn--…"), or '' if it has no ASCII form.
    if (!HOST_NAME.test(domainToASCII(host))) return reply(550, `"${host}" is not a host name`)
    if (GREYLISTING.test(host) && !this.#seen.has(address)) {
      this.#seen.add(address)
      this.greylisted++
      return reply(450, 'Greylisted, come again')
    }
    return null
  }

  /** @param {string} message */
  #take(message) {
    const id = message.match(/^message-id:\s*(\S+)/im)?.[1] ?? `no id ${this.received.size}`
    this.received.set(id, message)
  }
}

/**
 * @param {number} responseCode
 * @param {string} text
 */
function reply(responseCode, text) {
  return Object.assign(new Error(text), { responseCode })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = new MailServer()
  const url = await server.start(Number(process.argv[2] ?? 2525))
  console.log(`Listening on ${url}; Ctrl-C ends`)
  process.once('SIGINT', async () => {
    await server.stop()
    console.log(`${server.received.size} received, ${server.greylisted} told to come again`)
  })
}
