/** Random flows, and the ends that they must have. This file implements the rules of flows a second time. */
import type { FlowDefinition, FlowJob, IfFailed, NodeDefinition } from '../../src/model/flow.ts'
import { callbacks, flow, job, node, using } from './flow-stories.ts'
import { AWAY, HOME } from './flow-world.ts'
import type { Random } from './random.ts'

export interface RandomFlow {
  definition: FlowDefinition
  /** The members of a batch. */
  members: FlowJob[]
}

/**
 * @param name the beginning of the names of its nodes and members @param depth how many flows are around it
 */
export function randomFlow(random: Random, name = '', depth = 0): RandomFlow {
  const place = () => random.pick([HOME, AWAY])!
  const kind = random.pick(['chain', 'workflow', 'batch'] as const)!
  const ends = callbacks().map((each) => ({ ...each, ...renamed(each, `${name}${each.name}`) }))
  if (kind === 'batch') {
    const members = Array.from({ length: random.below(6) }, (_, n) => job(`${name}m${n}`, place()))
    const allowed = random.pick([undefined, 0, 1, 2])
    return { definition: flow('batch', ends, allowed === undefined ? {} : { allowed }), members }
  }
  const nodes: NodeDefinition[] = []
  const count = 1 + random.below(5)
  for (let n = 0; n < count; n++) {
    const own = `${name}n${n}`
    const before = nodes.map((_, other) => other)
    const after = kind === 'chain' ? before.slice(-1) : random.some(before)
    const ifFailed = random.pick<IfFailed>(['skip', 'run', 'fail'])!
    const rule = ifFailed === 'skip' || kind === 'chain' ? {} : { ifFailed }
    if (depth < 2 && random.chance(4)) {
      const { definition, members } = randomFlow(random, `${own}.`, depth + 1)
      nodes.push(node(own, after, { ...rule, flow: { home: place(), definition, members } }))
    } else if (after.length > 0 && random.chance(2)) {
      nodes.push({ ...using(own, after[0]!, place()), after, ...rule })
    } else nodes.push(node(own, after, { ...rule, at: place() }))
  }
  return { definition: flow(kind, [...nodes, ...ends]), members: [] }
}

function renamed({ job: says }: NodeDefinition, name: string): Pick<NodeDefinition, 'name' | 'job'> {
  return { name, job: job(name, says!.partition) }
}

/** The names of all jobs of a flow, without callbacks. */
export function namesOf({ definition, members }: RandomFlow): string[] {
  const own = definition.nodes.flatMap(({ name, on, flow }) => {
    if (on !== undefined) return []
    return flow === undefined ? [name] : namesOf({ members: [], ...flow })
  })
  return [...own, ...members.map(({ job }) => JSON.parse(job.payload).name as string)]
}

/**
 * Returns how a flow must end. @param fails the names of the jobs that fail @returns the states of the nodes
 * as letters
 */
export function expectedEnd(
  { definition: { kind, nodes, allowed = Number.POSITIVE_INFINITY }, members }: RandomFlow,
  fails: ReadonlySet<string>,
): { isCompleted: boolean; letters: string } {
  const letters: string[] = []
  for (const { name, after, ifFailed = 'skip', on, flow } of nodes) {
    const isBad = after.some((each) => letters[each] !== 'c')
    const runs = () => {
      if (flow === undefined) return !fails.has(name)
      return expectedEnd({ members: [], ...flow }, fails).isCompleted
    }
    if (on !== undefined) letters.push(on)
    else if (isBad && ifFailed !== 'run') letters.push(ifFailed === 'fail' ? 'f' : 'x')
    else letters.push(runs() ? 'c' : 'f')
  }
  const isHandled = (of: number) => {
    const others = nodes.filter(({ after }) => after.includes(of))
    return others.length > 0 && others.every(({ ifFailed }) => ifFailed === 'run')
  }
  const failed = members.filter(({ job }) => fails.has(JSON.parse(job.payload).name)).length
  const isCompleted =
    kind === 'batch' ? failed <= allowed : !letters.some((letter, n) => letter === 'f' && !isHandled(n))
  const how = isCompleted ? 'completed' : 'failed'
  const last = letters.map((each) =>
    each.length === 1 ? each : each === 'ended' || each === how ? 'c' : '-',
  )
  return { isCompleted, letters: last.join('') }
}
