/**
 * Reads how many jobs ended in partitions, by minute, hour and day. One script call reads all partitions. On
 * a cluster, each partition takes one call. For a damaged partition, the history is empty.
 */

import { JobsError } from '../../../model/errors.ts'
import { type Bucket, DAY, type History, HOUR, historyOf, type Rolled } from '../../contract/history.ts'
import type { Scripts } from '../client/script.ts'
import { readMinutes } from './reading.ts'

/** Minutes as `readMinutes` reads them; hours and days as `roll-up.lua` writes them. */
type FoundHistory = [minutes: number[], hours: (string | null)[], days: (string | null)[]]

export async function histories(scripts: Scripts, partitions: readonly string[]): Promise<History[]> {
  const { keys, transport } = scripts
  if (partitions.length === 0) return []
  const asked = transport.isWhole
    ? [ask(scripts, keys.meta('partitions'), partitions)]
    : partitions.map((partition) => ask(scripts, keys.of(partition, 'jobs'), [partition]))
  return (await Promise.all(asked)).flat()
}

async function ask(scripts: Scripts, key: string, partitions: readonly string[]): Promise<History[]> {
  const [now, ...all] = (await scripts.on(key, 'histories', [...partitions])) as [
    number,
    ...(FoundHistory | string)[],
  ]
  const read = async (found: FoundHistory | string, i: number): Promise<History> => {
    if (typeof found !== 'string') return historyOf(rolledOf(found), now)
    const failure = await scripts.failureOf(partitions[i]!, found)
    if (!JobsError.is(failure, 'STORE_DAMAGED')) throw failure
    return { minutes: [], hours: [], days: [] }
  }
  return Promise.all(all.map(read))
}

function rolledOf([minutes, hours, days]: FoundHistory): Rolled {
  return { minutes: readMinutes(minutes), hours: bucketsOf(hours, HOUR), days: bucketsOf(days, DAY) }
}

/**
 * Parses hours or days. A text that Lark did not write is left out. @param length the length of an hour or a
 * day in milliseconds
 */
function bucketsOf(texts: readonly (string | null)[], length: number): Bucket[] {
  return texts.flatMap((text) => {
    const numbers = /^(\d+) (\d+) (\d+) (\d+)$/
      .exec(text ?? '')
      ?.slice(1)
      .map(Number)
    if (numbers === undefined) return []
    const [number, completed, failed, retried] = numbers as [number, number, number, number]
    return [{ at: number * length, completed, failed, retried }]
  })
}
