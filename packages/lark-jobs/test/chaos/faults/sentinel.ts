/**
 * A primary that is replaced by its replica: by hand, because it died, or because it stood still for too long. Replies
 * do not wait for the replica, so what was written last may be lost with the old primary: that, and only that.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { MASTER, type SentinelFleet } from '../../redis/sentinel.ts'
import { type Server, until } from '../../redis/server.ts'
import { type FaultKind, pick } from '../fault.ts'

/** Milliseconds before and after a failover in which what was written may not be on the one that stays. */
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
        // Who writes to the old primary has heard of the new one by then.
        await pause(LAG)
        for (const end of ends) end()
        // The Sentinels take up to ten seconds to make the old one a replica. Till then nobody could take over.
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
      // It still takes itself for the primary, and its clients are still connected.
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

/** Every Sentinel names another primary. */
async function agreed({ sentinels }: SentinelFleet, before: Server): Promise<void> {
  const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]
  await until(async () => {
    const answers = await Promise.all(sentinels.map((sentinel) => sentinel.send(...words)))
    return answers.every((answer) => (answer as string[])[1] !== String(before.port))
  })
}
