/**
 * Sends e-mail over SMTP, to the server that `SMTP_URL` names. Connections are shared by all jobs of the process and
 * kept between e-mails (a new one for each is 28 times slower, as servers make a stranger wait), and closed when
 * none was sent for a while, since an open one would keep a worker that is done from ending.
 */
import nodemailer from 'nodemailer'

const CONNECTIONS = 10
/** Milliseconds. */
const IDLE = 500

export interface Email {
  to: string
  subject: string
  body: string
  /** The same for every try at sending one e-mail, so that the receiver can tell a repeated one. */
  id: string
}

let pool: ReturnType<typeof connect> | undefined
let underway = 0
let idle: NodeJS.Timeout | undefined

/** @throws {Error} with the server's answer, where it does not take the e-mail */
export async function send({ to, subject, body, id }: Email): Promise<void> {
  clearTimeout(idle)
  underway++
  pool ??= connect()
  try {
    await pool.sendMail({
      from: 'Address registry <desk@registry.test>',
      // As an object, since a string is read as a list of addresses: "3e Technologies Int;., Inc." would be two.
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
