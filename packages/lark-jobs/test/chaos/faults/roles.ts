/** Faults of roles: workers and dispatchers are killed, stopped, or asked to end. */
import type { Role } from '../crew.ts'
import { type FaultKind, pick, type Scene } from '../fault.ts'

type Choose = (scene: Scene) => Role

/** Usually chooses a worker that runs jobs. The last worker runs nothing but its probes. */
const worker: Choose = ({ workers, target }) =>
  target % 8 === 0 ? workers.at(-1)! : pick(workers.slice(0, -1), target)
const dispatcher: Choose = ({ dispatchers, target }) => pick(dispatchers, target)

function kill(name: string, choose: Choose): FaultKind {
  return {
    name,
    group: 'role',
    lasts: [0.1, 0.4],
    async begin(scene) {
      const role = choose(scene)
      scene.hit('killed', role)()
      await scene.crew.kill(role)
      return () => scene.crew.start(role)
    },
  }
}

/**
 * Stops a role for longer than a lease. If the role holds a lock of the store meanwhile, no other role can
 * use the store.
 */
function stop(name: string, choose: Choose): FaultKind {
  return {
    name,
    group: 'role',
    lasts: [1.2, 1.6],
    async begin(scene) {
      const role = choose(scene)
      const end = scene.hit('held', role)
      scene.crew.signal(role, 'SIGSTOP')
      const endOutage = scene.isLocked() ? scene.hit('outage') : () => {}
      return async () => {
        scene.crew.signal(role, 'SIGCONT')
        end()
        endOutage()
      }
    },
  }
}

/** Asks a worker to end (SIGTERM) while jobs run. The running jobs end, and no job runs again. */
const term: FaultKind = {
  name: 'SIGTERM worker',
  group: 'role',
  lasts: [0.1, 0.2],
  async begin(scene) {
    const role = worker(scene)
    const stopped = scene.crew.stop(role)
    stopped.catch(() => {})
    return async () => {
      await stopped
      await scene.crew.start(role)
    }
  },
}

export const roleFaults: readonly FaultKind[] = [
  kill('kill -9 worker', worker),
  kill('kill -9 dispatcher', dispatcher),
  stop('SIGSTOP worker', worker),
  stop('SIGSTOP dispatcher', dispatcher),
  term,
]
