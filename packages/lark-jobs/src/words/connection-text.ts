/**
 * Reads a connection string from the environment. The string may have blanks or quotes around it, or may be
 * another text that was set by mistake.
 */

/**
 * Removes blanks around the text. If the text begins and ends with the same quote, the quotes are removed,
 * too.
 */
export function plain(text: string): string {
  const bare = text.trim()
  return /^(["'`])(.*)\1$/s.exec(bare)?.[2]?.trim() ?? bare
}

/** The scheme in lower case: `redis` of `redis://host`. */
export function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z+-]*):/i.exec(text)?.[1]?.toLowerCase()
}

/**
 * Common mistakes: a pattern for the text, and a hint. Messages do not show the text itself: see `secret.ts`.
 */
const mistakes: readonly (readonly [form: RegExp, hint: string])[] = [
  [
    /^["'`]|["'`]$/,
    'A quote at one end is part of the value: some programs keep the quotes of an environment file. Remove it there.',
  ],
  [
    /^redis-cli\s/,
    'It is a command of redis-cli. Take the part that begins with redis://, and write rediss:// if the command has --tls.',
  ],
  [
    /^(export\s+)?\w+\s*=\s*\S/,
    'The name of a variable stands before the connection. Remove it and the "=".',
  ],
  [
    /^https?:/i,
    "It is an HTTP address, such as that of Upstash's REST API. Lark speaks the protocol of Redis: take the address that begins with rediss:// or redis://.",
  ],
  [
    /,\s*(password|ssl|abortConnect|user)\s*=/i,
    'It is a connection string of .NET, as Azure shows. Write rediss://:PASSWORD@HOST:PORT, with what it gives as password, host and port.',
  ],
  [
    /^clustercfg\.[\w.-]*(:\d+)?$/i,
    'It is a host without a scheme. Write redis+cluster://HOST:PORT, or rediss+cluster://HOST:PORT with TLS.',
  ],
  [
    /^[\w.-]+\.[\w.-]+(:\d+)?$|^[\w.-]+:\d+$/,
    'It is a host without a scheme. Write redis://HOST:PORT, or rediss://HOST:PORT with TLS.',
  ],
]

/** The hint for a text that names no store. */
export function hintFor(text: string): string {
  return (
    mistakes.find(([form]) => form.test(text))?.[1] ??
    "A connection is 'redis://host:6379', 'rediss://…', 'redis+cluster://…', 'redis+sentinel://…', 'valkey://…', 'unix:/PATH' or 'sqlite:PATH'."
  )
}
