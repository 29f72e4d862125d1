/** Makes the payloads of the jobs. The payloads are the same for every peer. */

/** Makes a payload of about 60 bytes of JSON, a typical size in a web application. */
export function payload(n) {
  return { userId: n % 100_000, to: `u${n % 10_000}@example.com`, subject: 'Welcome!' }
}

/** Makes a payload of about 220 bytes of JSON. */
export function longPayload(n) {
  return { ...payload(n), subject: `Welcome! ${'Here is how to begin. '.repeat(7)}` }
}

export function payloads(count, make = payload) {
  return Array.from({ length: count }, (_, n) => make(n))
}
