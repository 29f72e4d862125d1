/**
 * The parameters after the `?` of a connection string. The parameters have the names that other clients use.
 * A parameter is applied or refused, never ignored: a misspelt `?tls=true` must not lead to an unencrypted
 * connection.
 *
 * If another client has a parameter that Lark does not have, the error names the parameter and says what to
 * write instead. The error for an unknown parameter does not name it, because the text may be the second half
 * of a password.
 */
import { invalid, misplaced } from './address.ts'

interface Parameter {
  /** The names of the parameter. Lark's own name is first, and names of other clients follow. */
  names: readonly string[]
  /**
   * Checks and converts a value. @param name the name of the parameter in the connection string, for errors
   */
  read(value: string, name: string): unknown
  /**
   * `sentinel`: the parameter is only for Sentinels. `host`: for every connection except a Unix socket.
   * Absent: for every connection.
   */
  only?: 'sentinel' | 'host'
}

const asGiven = (value: string) => value

const known = {
  tls: {
    names: ['tls', 'ssl'],
    only: 'host',
    read(value, name) {
      if (!/^(true|1|yes|false|0|no)$/i.test(value))
        throw invalid(`"?${name}=" must be true or false; rediss:// means true`)
      return /^[t1y]/i.test(value)
    },
  },
  database: {
    names: ['db', 'database'],
    read(value) {
      if (!/^\d{1,9}$/.test(value)) throw invalid('the database must be a whole number, 0 or more')
      return Number(value)
    },
  },
  username: { names: ['username', 'user'], read: asGiven },
  password: { names: ['password'], read: asGiven },
  family: {
    names: ['family'],
    only: 'host',
    read(value, name) {
      if (!/^[046]$/.test(value)) throw invalid(`"?${name}=" must be 4, 6, or 0 for both`)
      return Number(value) as 0 | 4 | 6
    },
  },
  checksCertificate: {
    names: ['ssl_cert_reqs'],
    only: 'host',
    read(value, name) {
      const word = /^(?:CERT_)?(none|required)$/i.exec(value)?.[1]?.toLowerCase()
      if (word === undefined) throw invalid(`"?${name}=" must be none or required`)
      return word === 'required'
    },
  },
  // `checkAddress` checks the bounds, as it does for the object form.
  connectTimeout: {
    names: ['connectTimeout'],
    read: (value) => (/^\d+$/.test(value) ? Number(value) : value),
  },
  clientName: { names: ['clientName', 'client_name', 'connectionName'], read: asGiven },
  sentinelUsername: { names: ['sentinel_username'], only: 'sentinel', read: asGiven },
  sentinelPassword: { names: ['sentinel_password'], only: 'sentinel', read: asGiven },
} satisfies Record<string, Parameter>

/** The checked values of the parameters. */
export type Parameters = { [Key in keyof typeof known]?: ReturnType<(typeof known)[Key]['read']> }

/** Parameters of other clients, and what to write instead. */
const foreign: readonly (readonly [names: string, instead: string])[] = [
  ['keyPrefix key_prefix prefix', 'the prefix of the keys is jobs.prefix of the configuration'],
  ['host port', 'host and port stand before the path'],
  ['addr nodes', 'several nodes are redis+cluster://host:port,host:port'],
  [
    'master masterName master_name sentinelMasterId service_name name',
    'the name of the primary is in the path: redis+sentinel://host:port/NAME',
  ],
  ['natMap', 'give natMap in the object form, beside url'],
  [
    'ssl_ca_certs ssl_ca_path ssl_ca_data ssl_certfile ssl_keyfile ca cert key cacert sslrootcert',
    'give tls: { ca, cert, key } in the object form, beside url',
  ],
  [
    'rejectUnauthorized ssl_check_hostname ssl_verify sslVerify verifyPeer skip_verify insecure sslmode',
    'a server whose certificate is not to be checked is ?ssl_cert_reqs=none',
  ],
  ['servername sni', 'give tls: { servername } in the object form, beside url'],
  [
    'connect_timeout connection_timeout socket_connect_timeout dial_timeout',
    'it is ?connectTimeout=, in milliseconds or as a duration such as 5s',
  ],
  [
    'timeout socket_timeout socketTimeout read_timeout write_timeout commandTimeout command_timeout',
    'leave it out: how long a call may take is fixed (docs/redis.md)',
  ],
  [
    'max_connections pool_size poolSize pool_timeout min_idle_conns max_idle_conns connection_limit pool',
    'leave it out: a process has one connection for all its calls',
  ],
  [
    'maxRetriesPerRequest max_retries retry_on_timeout retryStrategy enableReadyCheck enableOfflineQueue lazyConnect keepAlive health_check_interval',
    'leave it out: Lark connects again by itself, for ever',
  ],
  [
    'protocol decode_responses encoding encoding_errors allowUsernameInURI',
    'leave it out: it is about how another client talks',
  ],
  ['sentinel_username sentinel_password', 'it is for redis+sentinel://'],
  ['client_info lib_name lib_ver', 'leave it out: what a connection is called is ?clientName='],
]

const insteadOf = new Map(
  foreign.flatMap(([words, instead]) => words.split(' ').map((name) => [name, instead] as const)),
)

/** @param sort `cluster`, `sentinel`, `socket`; undefined for one server @throws STORE_INVALID */
export function readParameters(query: string | undefined, sort: string | undefined): Parameters {
  const all: [string, Parameter][] = Object.entries(known)
  const allowed = all.filter(([, { only }]) => sort === 'sentinel' || only !== 'sentinel')
  const parameters: Record<string, unknown> = {}
  const seen = new Set<string>()
  for (const [name, value] of new URLSearchParams(query)) {
    const [key, parameter] = allowed.find(([, { names }]) => names.includes(name)) ?? []
    if (key === undefined || parameter === undefined) throw unknown(name, seen.size + 1, query!, allowed)
    if (sort === 'socket' && parameter.only === 'host')
      throw invalid(`"?${name}=" is for a host, and the connection is a Unix socket`)
    if (seen.has(name)) throw invalid(`"?${name}=" appears twice`)
    seen.add(name)
    const read = parameter.read(value, name)
    const other = parameter.names.find((each) => each !== name)
    if (parameters[key] !== undefined && parameters[key] !== read)
      throw invalid(`"?${name}=" contradicts "?${other}="`)
    parameters[key] = read
  }
  return parameters
}

function unknown(name: string, place: number, query: string, allowed: readonly [string, Parameter][]): Error {
  const instead = insteadOf.get(name)
  if (instead !== undefined) return invalid(`"?${name}=" is not a parameter of Lark: ${instead}`)
  if (query.includes('@')) return misplaced()
  const names = allowed.map(([, parameter]) => `?${parameter.names[0]}=`).join(', ')
  return invalid(`parameter ${place} after the ? is unknown; known are ${names}`)
}
