/** Journals on Redis (`contract/journals.ts`): makes the arguments of the scripts and reads their answers. */
import { defined } from '@s18i/lark/internal'
import type { JobsError } from '../../../model/errors.ts'
import type { Journal, Recorded } from '../../../model/journal.ts'
import {
  type AppendVerdict,
  type BringVerdict,
  CALL_MEMORY,
  type Journals,
  type NewSignal,
  type Recording,
  type SignalVerdict,
  type StepsNote,
} from '../../contract/store.ts'
import type { Scripts } from '../client/script.ts'
import type { DurabilityWait } from './durability-wait.ts'
import { packRecords } from './packing-journal.ts'
import type { PartitionRegistry } from './partition-registry.ts'
import { type ReadJournal, readRecording, readWholeJournal } from './reading-journal.ts'

export class RedisJournals implements Journals {
  readonly #scripts: Scripts
  readonly #registry: PartitionRegistry
  readonly #durability: DurabilityWait | undefined

  constructor(scripts: Scripts, registry: PartitionRegistry, durability: DurabilityWait | undefined) {
    this.#scripts = scripts
    this.#registry = registry
    this.#durability = durability
  }

  async record(partition: string, notes: readonly StepsNote[]): Promise<Recording> {
    const deadline = this.#scripts.transport.deadline()
    const recording = this.#scripts.run('record', partition, packRecords(notes), deadline)
    const durability = notes.some(({ steps }) => steps !== undefined) ? this.#durability : undefined
    if (durability === undefined) return readRecording(await recording)
    // A wait for durability needs an existing key (`durability-wait.ts`). The key of the worker's last call
    // may have expired, so the steps of a partition have a separate key.
    const memory = this.#scripts.keys.of(partition, 'call:steps')
    const [answer] = await Promise.all([
      recording,
      this.#scripts.send(['SET', memory, '', 'PX', String(CALL_MEMORY)], deadline),
    ])
    const unsafe = await durability.confirm(memory, deadline).then(
      () => undefined,
      (error: JobsError) => error,
    )
    return { ...readRecording(answer), ...defined({ unsafe }) }
  }

  async read(partition: string, id: string, from: number): Promise<Journal | undefined> {
    const found = await this.#scripts.run('journal-read', partition, [id, String(from)])
    return found === null ? undefined : readWholeJournal(found as ReadJournal)
  }

  async bring(...[partition, id, journal]: Parameters<Journals['bring']>): Promise<BringVerdict> {
    const { at, entries, signals = [], undo } = journal
    if (!this.#registry.hasEntered(partition))
      await this.#registry.enter(partition, this.#scripts.transport.deadline())
    const kept = signals.map(({ name, text, key = '' }) => `${name}\n${key}\x1f${text}`)
    const args = [id, String(at), undo === undefined ? '' : `|${undo}`, String(kept.length)]
    return (await this.#scripts.run('journal-bring', partition, [
      ...args,
      ...kept,
      ...entries,
    ])) as BringVerdict
  }

  async append(
    partition: string,
    id: string,
    { at, entries }: Pick<Recorded, 'at' | 'entries'>,
  ): Promise<AppendVerdict> {
    return (await this.#scripts.run('journal-append', partition, [
      id,
      String(at),
      ...entries,
    ])) as AppendVerdict
  }

  async signal(partition: string, id: string, signal: NewSignal): Promise<SignalVerdict> {
    const deadline = this.#scripts.transport.deadline()
    const { name, text, key = '', mayBeEarly, brief = '' } = signal
    if (mayBeEarly && !this.#registry.hasEntered(partition)) await this.#registry.enter(partition, deadline)
    const args = [id, name, text, key, mayBeEarly ? '1' : '', brief]
    const isSafe = async (memory: string) => this.#durability!.confirm(memory, deadline)
    const safely = this.#durability === undefined ? undefined : isSafe
    return (await this.#scripts.run('signal', partition, args, deadline, true, safely)) as SignalVerdict
  }
}
