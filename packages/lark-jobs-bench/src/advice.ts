/**
 * Makes the advice that the command prints: one line that says what the dispatches to the measured store wait
 * for, if a change of settings would help.
 */
import type { StorePlace } from '@s18i/lark-jobs/operate'

/** No advice is given about a write or a round trip that takes fewer milliseconds than this. */
const LITTLE = 1

/**
 * @param roundTrip milliseconds to the store and back
 * @param dispatch milliseconds of one dispatch in an idle process
 */
export function adviceOn(
  roundTrip: number,
  dispatch: number,
  { durability, connection }: Pick<StorePlace, 'durability' | 'connection'>,
): string | undefined {
  const write = dispatch - roundTrip
  if (write > LITTLE && write > roundTrip) {
    const each = `Of ${ms(dispatch)} ms a dispatch, ${ms(write)} ms are the store's writing`
    if (durability === 'strict')
      return `${each}: it waits for the disk, as durability 'strict' says. Dispatch together what belongs together: it waits once.`
    if (durability === 'replicated')
      return `${each}: it waits for a replica, as durability 'replicated' says. Dispatch together what belongs together: it waits once.`
    const isFile = typeof connection === 'string' && connection.startsWith('sqlite:')
    return `${each}: ${isFile ? 'the disk is slow, or others use it' : 'the server is busy, or waits for its disk (appendfsync always)'}.`
  }
  if (roundTrip > LITTLE)
    return `The store is ${ms(roundTrip)} ms away: an await for each dispatch takes that long. Promise.all() and dispatchMany() go the way once for many.`
  return undefined
}

function ms(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0)
}
