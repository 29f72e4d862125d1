/**
 * Reads the counts, minutes and pauses of partitions. One script call reads all partitions. On a cluster,
 * each partition takes one call. If the caller asks for the keys of the next jobs, each partition with
 * waiting or delayed jobs takes one more call.
 */
import { JobsError } from '../../../model/errors.ts'
import type { Filter, JobHead, Page, Standing } from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import { readStanding } from './reading.ts'

type ReadHeads = (partition: string, filter: Filter) => Promise<Page<JobHead>>

export class Standings {
  readonly #scripts: Scripts
  readonly #heads: ReadHeads

  /** @param heads the verb of the store that reads ids and keys */
  constructor(scripts: Scripts, heads: ReadHeads) {
    this.#scripts = scripts
    this.#heads = heads
  }

  async look(partitions: readonly string[], next?: number): Promise<Standing[]> {
    const minutes = next === undefined ? '' : '1'
    const asked = this.#scripts.transport.isWhole
      ? [this.#ask(this.#scripts.keys.meta('partitions'), partitions, minutes)]
      : partitions.map((partition) =>
          this.#ask(this.#scripts.keys.of(partition, 'jobs'), [partition], minutes),
        )
    const standings = (await Promise.all(asked)).flat()
    if (next)
      await Promise.all(partitions.map((partition, i) => this.#addKeys(partition, standings[i]!, next)))
    return standings
  }

  async #ask(key: string, partitions: readonly string[], minutes: string): Promise<Standing[]> {
    const reply = await this.#scripts.on(key, 'standings', [minutes, ...partitions])
    const all = reply as ((number | string)[] | string)[]
    const read = async (found: (number | string)[] | string, i: number): Promise<Standing> => {
      if (typeof found !== 'string') return readStanding(found)
      return damaged(await this.#scripts.failureOf(partitions[i]!, found))
    }
    return Promise.all(all.map(read))
  }

  async #addKeys(partition: string, standing: Standing, limit: number): Promise<void> {
    const { waiting, delayed } = standing.counts
    const ask = (count: number, state: Filter['state']) =>
      count > 0 ? this.#heads(partition, { state, limit }) : { jobs: [] }
    try {
      const pages = await Promise.all([ask(waiting, 'waiting'), ask(delayed, 'delayed')])
      standing.keys = [...new Set(pages.flatMap(({ jobs }) => jobs.map(({ key }) => key)))]
    } catch (error) {
      Object.assign(standing, damaged(error))
    }
  }
}

/** Turns STORE_DAMAGED into the standing of a damaged partition. @throws any other error */
function damaged(error: unknown): Standing {
  if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
  return { ...readStanding([]), damage: error }
}
