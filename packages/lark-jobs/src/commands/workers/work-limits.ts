/**
 * `--max-time` and `--max-memory` of `jobs:work`. When the process reaches such a limit, it takes no more
 * jobs, finishes the running jobs, and exits, so that the service manager starts it again. This limits the
 * harm of an application that leaks memory or keeps connections for too long, until its fault is found.
 */
import { usageError } from '@s18i/lark/internal'
import { bytesForm, bytesIn, inMb } from '../../words/bytes.ts'
import { durationForm, milliseconds, readable } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'

/** Milliseconds between two checks of the memory. */
const LOOK = 1_000
/** The maximum of `--max-time`, in milliseconds. Timers of Node allow a little more. */
const LONGEST = 24 * 86_400_000

export class WorkLimits {
  /** Milliseconds. */
  readonly time: number | undefined
  /** Bytes. */
  readonly memory: number | undefined
  readonly #timers: NodeJS.Timeout[] = []

  /** @throws USAGE */
  constructor({ maxTime, maxMemory }: { maxTime: string | undefined; maxMemory: string | undefined }) {
    this.time = maxTime === undefined ? undefined : milliseconds(maxTime)
    if (maxTime !== undefined && (this.time === undefined || this.time < LOOK || this.time > LONGEST))
      throw usageError(
        `--max-time is ${shown(maxTime)}; it must be a duration from 1 s to 24 d`,
        `Such as ${durationForm}`,
      )
    this.memory = maxMemory === undefined ? undefined : bytesIn(maxMemory)
    if (maxMemory !== undefined && this.memory === undefined)
      throw usageError(
        `--max-memory is ${shown(maxMemory)}; it must be ${bytesForm}`,
        "Such as '512mb': the memory of the whole process, as the system counts it",
      )
  }

  /** Calls `time` or `memory` once, at the first limit that is reached, with a text for people. */
  watch(met: { time(why: string): void; memory(why: string): void }): void {
    const { time, memory } = this
    const end = (which: 'time' | 'memory', why: string) => {
      this.stop()
      met[which](`Restarts: ${why}`)
    }
    if (time !== undefined) {
      const timer = setTimeout(() => end('time', `it has run for ${readable(time)}`), time)
      this.#timers.push(timer.unref())
    }
    if (memory === undefined) return
    const look = () => {
      const now = process.memoryUsage.rss()
      if (now > memory) end('memory', `it has ${inMb(now)} MB of memory, and may have ${inMb(memory)}`)
    }
    this.#timers.push(setInterval(look, LOOK).unref())
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
  }
}
