/**
 * Sends e-mail over SMTP, to the server that `SMTP_URL` names. All jobs of the process share connections, and
 * connections stay open between e-mails: a new connection for each e-mail is 28 times slower, because servers
 * make a new client wait. After some time without e-mails, the connections are closed, because an open
 * connection would keep a worker from ending.
 */
import nodemailer from 'nodemailer'

const CONNECTIONS = 10
/** Milliseconds. */
const IDLE = 500

export interface Email {
  to: string
  subject: string
  body: string
  /**
   * The id is the same in every attempt to send an e-mail, so that the receiver can recognise a repeated
   * e-mail.
   */
  id: string
}

let pool: ReturnType<typeof connect> | undefined
let underway = 0
let idle: NodeJS.Timeout | undefined

/** @throws {Error} with the answer of the server, if the server does not accept the e-mail */
export async function send({ to, subject, body, id }: Email): Promise<void> {
  clearTimeout(idle)
  underway++
  pool ??= connect()
  try {
    await pool.sendMail({
      from: 'Address registry <desk@registry.test>',
      // An object, because nodemailer would read a string as a list of addresses: "3e Technologies Int;.,
      // Inc." would be two addresses.
      to: { name: '', address: to },
      subject,
      text: body,
      messageId: `<${id}@registry.test>`,
    })
  } catch (error) {
    const answer = (error as { response?: string }).response
    throw answer ? new Error(`${to} is refused: ${answer}`, { cause: error }) : error
  } finally {
    if (--underway === 0) idle = setTimeout(disconnect, IDLE)
  }
}

function connect() {
  return nodemailer.createTransport({
    url: process.env.SMTP_URL ?? 'smtp://127.0.0.1:2525',
    pool: true,
    maxConnections: CONNECTIONS,
    maxMessages: Number.POSITIVE_INFINITY,
  })
}

function disconnect() {
  pool?.close()
  pool = undefined
}
