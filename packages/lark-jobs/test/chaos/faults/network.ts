/** Faults of the network of one role or of all roles. */
import type { Role } from '../crew.ts'
import { type FaultKind, pick, type Scene } from '../fault.ts'
import type { Network, Weather } from '../network.ts'

/** The network of each role, by the name of the role. */
export type Networks = ReadonlyMap<string, Network>

type Scope = 'one' | 'all'

/**
 * Longer than one lease, in leases. If the fault affects only one worker, this worker loses its running jobs.
 * If the fault affects all workers, no worker loses jobs.
 */
const LONG = [1.2, 1.6] as const

export function networkFaults(networks: Networks): FaultKind[] {
  const under = (
    name: string,
    scope: Scope,
    lasts: FaultKind['lasts'],
    weather: (scene: Scene) => Weather,
    onlyLong = false,
  ): FaultKind => ({
    name,
    onlyLong,
    group: 'network',
    lasts,
    async begin(scene) {
      const met = meets(scene, scope)
      const of = met.map((role) => networks.get(role.name)!)
      const ends = scope === 'all' ? [scene.hit('outage')] : met.map((role) => scene.hit('held', role))
      const now = weather(scene)
      for (const network of of) network.weather = now
      return async () => {
        for (const network of of) network.weather = { kind: 'clear' }
        for (const end of ends) end()
      }
    },
  })
  const plain =
    (kind: 'cut' | 'hold' | 'drop'): (() => Weather) =>
    () => ({ kind })
  return [
    under('cut one off', 'one', LONG, plain('cut')),
    under('cut all off', 'all', LONG, plain('cut')),
    under('packets late, one', 'one', LONG, plain('hold')),
    under('packets late, all', 'all', LONG, plain('hold'), true),
    under('packets lost, one', 'one', LONG, plain('drop'), true),
    under('packets lost, all', 'all', LONG, plain('drop')),
    {
      // A slow network cannot make a worker lose a lease, so no effect is noted.
      name: 'slow network',
      group: 'network',
      lasts: [0.5, 1],
      async begin({ random }) {
        const ms = 20 + random.below(80)
        for (const network of networks.values()) network.weather = { kind: 'delay', ms }
        return async () => {
          for (const network of networks.values()) network.weather = { kind: 'clear' }
        }
      },
    },
    under('replies lost', 'all', [0.2, 0.3], ({ random }) => ({
      kind: 'lossy',
      isLost: () => random.chance(4),
    })),
    {
      name: 'half-closed',
      group: 'network',
      lasts: [0.1, 0.2],
      async begin({ random }) {
        for (const network of networks.values())
          network.halfClose(() => (random.chance(2) ? 'client' : 'server'))
        return async () => {}
      },
    },
  ]
}

function meets({ workers, dispatchers, target }: Scene, scope: Scope): readonly Role[] {
  const all = [...workers, ...dispatchers]
  return scope === 'all' ? all : [pick(all, target)]
}
