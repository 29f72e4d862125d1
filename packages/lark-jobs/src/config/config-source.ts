/** The source of a configuration, for messages: a file, a call, or none of these. */
import { listed } from '../words/listed.ts'

export type ConfigSource =
  | { kind: 'file'; file: string }
  /** The call to which the application passed the configuration, in the form for messages. */
  | { kind: 'code'; call: string }
  /** The folders in which no configuration file was found. */
  | { kind: 'none'; looked: readonly string[] }

/** The beginning of a message about an option. */
export function spokenOf(source: ConfigSource): string {
  return source.kind === 'file' ? source.file : source.kind === 'code' ? source.call : 'lark.config'
}

/**
 * Names the place where an option can be added (`jobs.queues in lark.config.js`), and the folders that have
 * no file.
 */
export function placeFor(key: 'queues' | 'limiters' | 'connection', source: ConfigSource): string {
  if (source.kind === 'code') return `${key} in ${source.call}`
  if (source.kind === 'file') return `jobs.${key} in ${source.file}`
  return `jobs.${key} in lark.config${source.looked.length > 0 ? ` (${absent(source.looked)})` : ''}`
}

/** The text that a worker adds to its first line if a configuration file is expected but does not exist. */
export function absence(source: ConfigSource, isExpected: boolean): string {
  return isExpected && source.kind === 'none' ? `; ${absent(source.looked)}` : ''
}

function absent(looked: readonly string[]): string {
  return `there is no lark.config in ${listed(looked)}`
}
