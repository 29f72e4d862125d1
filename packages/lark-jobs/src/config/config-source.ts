/**
 * Where a configuration came from, in the words of messages: a file, a call, or nowhere.
 */
import { listed } from '../model/listed.ts'

export type ConfigSource =
  | { kind: 'file'; file: string }
  | { kind: 'code'; call: 'Jobs.configure()' | 'createJobs()' }
  /** No file was found in these folders. */
  | { kind: 'none'; looked: readonly string[] }

/** How a message about a setting begins. */
export function spokenOf(source: ConfigSource): string {
  return source.kind === 'file' ? source.file : source.kind === 'code' ? source.call : 'lark.config'
}

/** Where a setting is to be added, and where it was looked for in vain: `jobs.queues in lark.config.js`. */
export function placeFor(key: 'queues' | 'limiters' | 'connection', source: ConfigSource): string {
  if (source.kind === 'code') return `${key} in ${source.call}`
  if (source.kind === 'file') return `jobs.${key} in ${source.file}`
  return `jobs.${key} in lark.config${source.looked.length > 0 ? ` (${absent(source.looked)})` : ''}`
}

/** What a worker adds to its first line where a file is expected. */
export function absence(source: ConfigSource, isExpected: boolean): string {
  return isExpected && source.kind === 'none' ? `; ${absent(source.looked)}` : ''
}

function absent(looked: readonly string[]): string {
  return `there is no lark.config in ${listed(looked)}`
}
