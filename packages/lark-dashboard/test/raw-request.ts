/** Sends requests as bytes that no client of HTTP would send. */
import { once } from 'node:events'
import { connect } from 'node:net'

/** Node's server accepts these heads of requests, but `Request` or `URL` may refuse them. */
export const hostileTo = (base: string) => [
  ...['TRACE', 'OPTIONS', 'PROPFIND', 'DELETE'].map((method) => `${method} ${base}/ HTTP/1.1\r\nHost: h`),
  'CONNECT h:80 HTTP/1.1\r\nHost: h',
  'OPTIONS * HTTP/1.1\r\nHost: h',
  ...['', '[', 'u:p@h', 'h:99999', 'h h', 'h/x?', 'h\\x', '%', '[::1'].map(
    (host) => `GET ${base}/ HTTP/1.1\r\nHost: ${host}`,
  ),
  ...['http://h:99999', 'http://u:p@h', 'http://[', 'x://'].map(
    (origin) => `GET ${origin}${base}/ HTTP/1.1\r\nHost: h`,
  ),
  `POST ${base}/api/undo HTTP/1.1\r\nHost: [\r\nContent-Length: 0`,
]
/** These paths are unusual, but valid. */
export const oddPaths = (base: string) => [
  '//[',
  '//',
  `${base}//[`,
  `${base}/%`,
  `${base}/api/%00`,
  `${base}/api/live?input=%`,
  '/?token=x&[',
]

/** @returns the status of the answer; 0: the server has closed the connection without one */
export async function sendRaw(origin: string, head: string): Promise<number> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  socket.write(`${head}\r\nConnection: close\r\n\r\n`)
  await once(socket, 'close')
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)
}
