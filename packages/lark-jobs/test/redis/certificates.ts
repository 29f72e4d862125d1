/**
 * Makes an unknown certificate authority, and its certificate for the loopback, without an external program.
 * Node can sign certificates but cannot write them, so this file writes the DER encoding itself.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Certificates {
  /** The certificate of the authority, as PEM. */
  ca: string
  cert: string
  key: string
}

export function makeCertificates(): Certificates {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const isAuthority = extension([0x55, 0x1d, 0x13], sequence(tagged(0x01, [0xff])))
  const names = sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, [127, 0, 0, 1]))
  const signer = authority.privateKey
  return {
    ca: certificate('Lark Test Authority', authority.publicKey, signer, isAuthority),
    cert: certificate('localhost', server.publicKey, signer, extension([0x55, 0x1d, 0x11], names)),
    key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/**
 * Writes the certificates into files. @returns the paths of the files, and the server options that name them
 */
export async function writeCertificates(folder: string, made: Certificates): Promise<string[]> {
  const paths = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await Promise.all(Object.entries(paths).map(([name, path]) => writeFile(path, made[name as 'ca'])))
  const files = ['--tls-ca-cert-file', paths.ca, '--tls-cert-file', paths.cert, '--tls-key-file', paths.key]
  return [...files, '--tls-auth-clients', 'no']
}

const ecdsaWithSha256 = sequence(tagged(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]))

function certificate(subject: string, holder: KeyObject, signer: KeyObject, more: Buffer): string {
  const now = Date.now()
  const body = sequence(
    tagged(0xa0, tagged(0x02, [2])),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name('Lark Test Authority'),
    sequence(time(now - 3_600_000), time(now + 86_400_000)),
    name(subject),
    holder.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(more)),
  )
  const signature = sign('sha256', body, createPrivateKey(signer.export({ type: 'pkcs8', format: 'pem' })))
  const whole = sequence(body, ecdsaWithSha256, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = whole.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function extension(id: number[], value: Buffer): Buffer {
  return sequence(tagged(0x06, id), tagged(0x04, value))
}

/** Encodes a common name. */
function name(text: string): Buffer {
  const attribute = sequence(tagged(0x06, [0x55, 0x04, 0x03]), tagged(0x0c, Buffer.from(text)))
  return sequence(tagged(0x31, attribute))
}

function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)
  return tagged(0x17, Buffer.from(`${digits}Z`))
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function tagged(tag: number, content: Buffer | number[]): Buffer {
  const bytes = Buffer.from(content)
  const { length } = bytes
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), bytes])
}
