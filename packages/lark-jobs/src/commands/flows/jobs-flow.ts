import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { type FlowInfo, type Operate, operate } from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { completed } from '../words/completed.ts'
import { fromNow, instant } from '../words/instant.ts'
import { printSheet, type SheetFacts } from '../words/sheet.ts'
import { chartOf } from './flow-chart.ts'
import { FlowRows } from './flow-rows.ts'
import { flowNamed, progressWords, waitWords, wasLate, whyWords } from './flow-words.ts'

/** `lark jobs:flow`: shows one chain, batch or workflow as a tree. */
export class JobsFlowCommand extends Command {
  readonly key = 'jobs:flow'
  override description = 'Show a flow: each node, what it waits for and how long; and why the flow has failed'
  id = arg.string('The id of the flow')
  queue = flag.string('The queue of the flow, if several queues have a flow with this id')
  failures = flag.boolean('List the members of a batch that did not complete')
  limit = flag.number('How many of them', { default: 20, short: 'l', wholeFrom: 1 })
  mermaid = flag.boolean('Print a diagram for Mermaid')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { id, queue, failures, limit, mermaid } = this
    if (mermaid && this.json)
      throw usageError('--mermaid and --json are two formats', 'Leave out one of them.')
    await using jobs = Jobs
    const operating = operate(jobs)
    const info = await flowNamed(
      operating,
      id.trim(),
      defined({ queue, failures: failures ? limit : undefined }),
    )
    if (this.json) return await withFlows(operating, info)
    if (mermaid) this.line(await chartOf(operating, info))
    else await this.#print(operating, info)
  }

  async #print(operating: Operate, info: FlowInfo): Promise<void> {
    const { nodes = [], failures = [] } = info
    printSheet(this, info.name ?? info.kind, info.id, facts(info))
    if (nodes.length > 0) {
      this.line()
      const rows = new FlowRows(operating, (style, text) => this.console.paint(style, text))
      await rows.add(info)
      this.table(['NODE', 'STATE', 'JOB OR FLOW', 'REMARK'], rows.rows)
      if (rows.left > 0)
        this.line(
          `… ${rows.left.toLocaleString('en')} more: lark jobs:flow ${visible(info.id)} --json prints all`,
        )
    }
    if (failures.length > 0) {
      this.line()
      this.table(
        ['MEMBER', 'JOB', 'STATE', 'ERROR'],
        failures.map(({ member, jobId, state, reason, error }) => [
          member,
          visible(jobId),
          state === undefined || reason === undefined ? (state ?? '') : `${state} (${reason})`,
          visible(error ?? ''),
        ]),
      )
    }
    await this.#remarks(operating, info)
  }

  /** Prints why the flow has not completed, and the commands that help. */
  async #remarks(operating: Operate, info: FlowInfo): Promise<void> {
    const { id, kind, state, nodes = [], failures, counts, failedNode } = info
    const why = whyWords(info)
    const isBad = state === 'failed' || state === 'cancelled'
    const failed = nodes.find(({ name }) => name === failedNode)
    const error = failed?.error === undefined ? '' : `: ${failed.error}`
    if (isBad && why !== undefined) this.warn(visible(`It ${was(state)}: ${why}${error}`))
    if (failed?.jobId !== undefined) this.info(visible(`Look closer: lark jobs:show ${failed.jobId}`))
    if (failed?.flow !== undefined) this.info(visible(`Look closer: lark jobs:flow ${failed.flow.id}`))
    const others = counts.failed + counts.cancelled
    if (kind === 'batch' && others > (failures?.length ?? 0)) {
      const all = `lark jobs:flow ${id} --failures`
      this.info(failures === undefined ? `Look closer: ${all}` : `All of them: ${all} --limit=${others}`)
    }
    if (isBad || (state === 'completed' && others > 0))
      this.info(
        `Start again what did not complete: lark jobs:retry --flow ${id}${wasLate(info) ? ' --within=2h' : ''}`,
      )
    if (isBad || state === 'completed') return
    if ((await operating.workers.list()).length === 0)
      this.warn('No worker is running, so it does not go on: start one with lark jobs:work')
  }
}

/** A flow with the nodes of all its inner flows, at every level. */
async function withFlows(operating: Operate, info: FlowInfo): Promise<FlowInfo> {
  const { nodes = [] } = info
  const all: FlowInfo['nodes'] = []
  for (const node of nodes) {
    const flow = node.flow && (await operating.flows.get(node.flow))
    all.push(flow === undefined ? node : { ...node, flow: await withFlows(operating, flow) })
  }
  return { ...info, nodes: all }
}

function was(state: string): string {
  return state === 'failed' ? 'failed' : 'was cancelled'
}

function facts(info: FlowInfo): SheetFacts {
  const { state, kind, queue, home, tags, at, endedAt, deadline, parent, allowed, counts } = info
  const wait = waitWords(info)
  const until = (endedAt ?? Date.now()) - at
  return {
    State: `${state}${wait === '' || endedAt !== undefined ? '' : `: ${wait}`}`,
    Done: progressWords(counts),
    Kind: kind,
    Queue: home === queue ? queue : `${queue}, home ${home}`,
    Tags: tags?.join(', '),
    'Part of': parent?.id,
    Dispatched: time(at),
    Ended: endedAt !== undefined && `${time(endedAt)}, after ${readable(Math.max(0, until))}`,
    Deadline: deadline !== undefined && endedAt === undefined && time(deadline),
    'May fail': kind === 'batch' && (allowed === undefined ? 'any number' : `${allowed}`),
  }
}

function time(at: number): string {
  return `${instant(at)} (${fromNow(at)})`
}
