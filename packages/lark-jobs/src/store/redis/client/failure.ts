/**
 * Turns failures of servers and connections into the three errors that the store contract has for failed
 * calls.
 */
import { JobsError } from '../../../model/errors.ts'

/** A refusal: the server answered with an error. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  /**
   * @param said the server's text. If the server does not know the command, its text repeats the arguments,
   *   which may contain a password or a payload
   */
  constructor(said: string) {
    super(said.replace(/,? with args beginning with:[\s\S]*$/, ''))
  }

  /**
   * The word that names the kind of the error, such as `READONLY`. Before Redis 7, the word is in the middle
   * of the message of a failed script.
   */
  get word(): string {
    return /^(?:ERR Error running script.*? -)?([A-Z]{3,})\b/.exec(this.message)?.[1] ?? 'ERR'
  }
}

/**
 * The error for a command that cannot be encoded, because one of its words is not a text. The cause is a bug
 * in the caller.
 */
export class Unencodable extends TypeError {
  override readonly name = 'Unencodable'
  readonly code = 'ERR_INVALID_ARG_TYPE'
}

/**
 * The error for a reply that does not follow the protocol of Redis, or is larger than any reply that Lark
 * expects.
 */
export class UnreadableReply extends Error {
  override readonly name = 'Unreadable'
}

/** The error for a command that was not sent, so that it has certainly changed nothing. */
export class Unsent extends Error {
  override readonly name = 'Unsent'
}

const onItsWay =
  'The slot of this queue is moving from one node of the cluster to another. Calls succeed again when it has arrived'

/** Hints about what to do after a refusal, by its word. */
const hints: Record<string, string> = {
  READONLY:
    'This server is a replica. Give the address of the primary; after a failover, wait for the new one',
  OOM: 'The server has reached maxmemory. Raise it, or let workers finish what waits: ended jobs make room',
  MISCONF: "The server cannot save to its disk. See its log, and the disk's free space",
  LOADING: 'The server is reading its data set; it answers when it is through',
  NOAUTH: 'The server asks for a password. Put it into the connection string: redis://:password@host',
  WRONGPASS: 'User name or password are wrong in the connection string',
  NOPERM:
    "The user's ACL is too narrow: it needs the commands of the scripts, and keys and channels of the prefix",
  CLUSTERDOWN: 'The cluster has lost nodes. See CLUSTER INFO',
  MOVED: 'This server is a node of a cluster. Write redis+cluster://host:port',
  ASK: onItsWay,
  TRYAGAIN: onItsWay,
  BUSY: "A script has blocked the server for longer than its busy-reply-threshold. See the server's log",
  MASTERDOWN: 'This server is a replica that has lost its primary',
  NOREPLICAS: 'The server has fewer replicas in good health than min-replicas-to-write',
}

/** The words of refusals after a failover. A new connection may lead to a server that accepts the call. */
export const movedOn = new Set(['READONLY', 'LOADING', 'MASTERDOWN'])

/**
 * Turns a refusal of a known kind into an error of the contract. Any other refusal stays a Refusal: it shows
 * a bug in one of Lark's scripts, which may have changed something before the server refused a command.
 */
export function refused(store: string, refusal: Refusal): Error {
  const hint = hints[refusal.word]
  if (hint === undefined && !/max number of clients|permission|protected mode/i.test(refusal.message)) {
    return refusal
  }
  return new JobsError('STORE_REFUSED', `${store} refused: ${refusal.message}`, {
    cause: refusal,
    ...(hint && { hint }),
  })
}

/** Hints about what to do when no connection can be made, by the text of the error. */
const unreached: readonly (readonly [form: RegExp, hint: string])[] = [
  [
    /certificate/,
    "Node does not trust the server's certificate. NODE_EXTRA_CA_CERTS names a file of further authorities; ?ssl_cert_reqs=none accepts any certificate (Heroku's are signed by nobody)",
  ],
  [
    /wrong version number|packet length too long|ETIMEDOUT rediss:/,
    'If the server speaks no TLS there, write redis:// instead of rediss://',
  ],
  [
    /connection was closed|ECONNRESET|no reply of Redis begins with/,
    'The server ended the connection. If it speaks TLS there, write rediss:// instead of redis://',
  ],
]

export function unreachable(store: string, cause: unknown): JobsError {
  const reason = reasonOf(cause)
  return new JobsError('STORE_UNREACHABLE', `${store} cannot be reached: ${reason}`, {
    cause,
    hint:
      unreached.find(([form]) => form.test(reason))?.[1] ??
      'Is Redis running there? Without REDIS_URL and `connection`, jobs are kept in a file and need no server',
  })
}

export function uncertain(store: string, cause: unknown): JobsError {
  return new JobsError('STORE_UNCERTAIN', `${store} did not answer: ${reasonOf(cause)}`, { cause })
}

/** The error for a late answer from a server that is not confirmed as the primary. */
export function unconfirmed(store: string, why: string): JobsError {
  return new JobsError('STORE_UNCERTAIN', `${store} answered late, and the answer may not count: ${why}`)
}

/**
 * The error for a command that prepares a dispatch. Even if it is not certain what the command has changed,
 * no job was queued.
 */
export function nothingQueued(store: string, error: unknown): unknown {
  return JobsError.is(error, 'STORE_UNCERTAIN') ? unreachable(store, error.cause) : error
}

/** Returns `error` itself if it is a refusal, or the refusal that caused `error`. */
export function refusalIn(error: unknown): Refusal | undefined {
  const cause = error instanceof JobsError ? error.cause : error
  return cause instanceof Refusal ? cause : undefined
}

/**
 * The reason of a failure on one line. For a host with several addresses, it joins the errors of all
 * addresses.
 */
export function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join('; ')
  return cause instanceof Error ? cause.message : String(cause)
}
