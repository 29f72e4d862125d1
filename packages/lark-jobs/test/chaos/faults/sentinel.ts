/**
 * Faults in which a replica replaces its primary: because of a command, because the primary died, or because
 * the primary was stopped for too long. The primary answers before the replica has the write, so a failover
 * may lose the last writes of the old primary, and no other writes.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { MASTER, type SentinelFleet } from '../../redis/sentinel.ts'
import { type Server, until } from '../../redis/server.ts'
import { type FaultKind, pick } from '../fault.ts'

/** Milliseconds before and after a failover in which writes may be lost. */
export const LAG = 1_000

export function sentinelFaults(fleet: SentinelFleet): FaultKind[] {
  const failover = (
    name: string,
    lasts: FaultKind['lasts'],
    begin: (before: Server) => Promise<() => Promise<void>>,
  ): FaultKind => ({
    name,
    group: 'server',
    lasts,
    async begin({ hit }) {
      const before = await fleet.primary()
      const ends = [hit('outage'), hit('rewound', undefined, LAG)]
      const heal = await begin(before)
      return async () => {
        await agreed(fleet, before)
        await heal()
        // After this time, all clients of the old primary know the new one.
        await pause(LAG)
        for (const end of ends) end()
        // The Sentinels take up to ten seconds to turn the old primary into a replica. Until then, no server
        // could replace the new primary.
        await fleet.calm()
      }
    },
  })
  return [
    failover('failover', [0.1, 0.2], async () => {
      await fleet.failover()
      return async () => {}
    }),
    failover('primary killed', [0.1, 0.5], async (before) => {
      await before.kill()
      return () => before.start()
    }),
    failover('primary frozen', [0.1, 0.5], async (before) => {
      before.signal('SIGSTOP')
      // The old primary still believes that it is the primary, and its clients are still connected.
      return async () => before.signal('SIGCONT')
    }),
    {
      name: 'Sentinel killed',
      group: 'server',
      lasts: [0.2, 0.5],
      async begin({ target }) {
        const sentinel = pick(fleet.sentinels, target)
        await sentinel.kill()
        return () => sentinel.start()
      },
    },
  ]
}

/** Waits until all Sentinels name the same new primary. */
async function agreed({ sentinels }: SentinelFleet, before: Server): Promise<void> {
  const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]
  await until(async () => {
    const answers = await Promise.all(sentinels.map((sentinel) => sentinel.send(...words)))
    return answers.every((answer) => (answer as string[])[1] !== String(before.port))
  })
}
