/** How a draft of a flow becomes its definition. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { insideOfDraft } from '../../src/api/draft.ts'
import { BatchMembers } from '../../src/api/flows/batch-members.ts'
import type { FlowDraft } from '../../src/api/flows/flow-draft.ts'
import { insideOfFlow } from '../../src/api/flows/flow-draft.ts'
import { readFlow } from '../../src/api/flows/flow-spec.ts'
import type { WorkflowBuilder, WorkflowNode } from '../../src/api/flows/workflow-builder.ts'
import { FlowJobs, flowPlace, queueOfFlow } from '../../src/dispatch/flow-definition.ts'
import {
  batch,
  chain,
  group,
  Job,
  JobsError,
  lenient,
  limiter,
  tags,
  unique,
  workflow,
} from '../../src/index.ts'
import type { FlowDefinition } from '../../src/model/flow.ts'
import { RETENTION } from '../../src/store/contract/rules/retention.ts'

class FetchJob extends Job {
  handle(payload: { url: string }): { path: string; parts: { at: number }[] } {
    return { path: payload.url, parts: [] }
  }
}
class ResizeJob extends Job {
  override queueName = 'images'
  handle(_payload: { file: string; sizes?: number[]; deep?: { at: (number | { x: string })[] } }): string {
    return ''
  }
}
class TextJob extends Job {
  handle(_payload: string) {}
}
class ShopJob extends Job {
  override group = group((payload: { shop: string }) => payload.shop)
  handle(_payload: { shop: string; file?: string }) {}
}
class SyncJob extends Job {
  override unique = unique((payload: { user: string }) => payload.user)
  handle(_payload: { user: string; file?: string }) {}
}

const partitions = new Map([
  ['default', 3],
  ['images', 2],
])

async function definitionOf(flow: FlowDraft, id = 'flow'): Promise<FlowDefinition & { home: string }> {
  const placing = { partitions, retention: RETENTION, check: () => {} }
  const spec = await readFlow(flow)
  const queue = queueOfFlow(spec, placing)
  const { home } = flowPlace(spec.id ?? id, queue, partitions)
  return { ...new FlowJobs(placing).define(spec, home, queue), home }
}

const refusal = (flow: FlowDraft) =>
  definitionOf(flow).then(
    () => 'none',
    (error) => (JobsError.is(error) ? `${error.code} ${error.message}` : error),
  )
const building = (build: (w: WorkflowBuilder) => unknown) => refusal(workflow('order', build))

const fetch = FetchJob.with({ url: 'a' })

test('in the definition of a chain, each step waits for the step before, and callbacks come last', async () => {
  const flow = chain([fetch, new ResizeJob().with({ file: 'a' })])
    .name('thumbnail')
    .onFailed(TextJob.with('oh'))
  const { nodes, home, ...rest } = await definitionOf(
    flow.onEnded(fetch).tagged('a').tagged('b').within('2h'),
  )
  expect(rest).toEqual({
    kind: 'chain',
    name: 'thumbnail',
    tags: ['a', 'b'],
    within: 7_200_000,
    keep: { completed: 3_600_000, failed: 30 * 86_400_000, cancelled: 86_400_000 },
  })
  expect(home).toMatch(/^default/)
  expect(nodes.map(({ job, flow, ...node }) => node)).toEqual([
    { name: 'FetchJob', after: [] },
    { name: 'ResizeJob', after: [0] },
    { name: 'TextJob', after: [], on: 'failed' },
    { name: 'FetchJob 2', after: [], on: 'ended' },
  ])
  expect(nodes[0]!.job).toEqual({ partition: home, job: { key: 'FetchJob', payload: '{"url":"a"}' } })
  // Jobs of another queue go to its partitions in turn.
  expect(nodes[1]!.job!.partition).toMatch(/^images/)
})

test('a step may use the results of all steps before it', async () => {
  const flow = chain([fetch])
    .next(([fetched]) => ResizeJob.with({ file: fetched.path }))
    .next(([{ parts }, resized]) =>
      ResizeJob.with({ file: resized, deep: { at: [1, { x: parts[0] as never }] } }),
    )
    .next(([, , last]) => TextJob.with(last))
  const { nodes } = await definitionOf(flow)
  expect(nodes.map(({ after, refs }) => [after, refs])).toEqual([
    [[], undefined],
    [[0], [{ at: ['file'], node: 0, path: ['path'] }]],
    [
      [1, 0],
      [
        { at: ['file'], node: 1, path: [] },
        { at: ['deep', 'at', 1, 'x'], node: 0, path: ['parts', 0] },
      ],
    ],
    [[2], [{ at: [], node: 2, path: [] }]],
  ])
  expect(nodes[2]!.job!.job.payload).toBe('{"file":null,"deep":{"at":[1,{"x":null}]}}')
  expect(nodes[3]!.job!.job.payload).toBe('null')
})

test('the definition of a workflow has the order, the names and the policies of its nodes', async () => {
  const names: string[] = []
  const flow = workflow('order', (w) => {
    const charge = w.add(fetch)
    const again = w.add(fetch)
    const named = w.add(fetch, { name: 'FetchJob 3', after: charge })
    const last = w.add(new ResizeJob().with({ file: charge.result.path }), {
      after: [again, named],
      ifFailed: 'run',
    })
    names.push(...[charge, again, named, last, w.add(fetch, { ifFailed: 'skip' })].map(({ name }) => name))
  }).onCompleted(fetch)
  const { nodes, kind, name } = await definitionOf(flow)
  expect([kind, name]).toEqual(['workflow', 'order'])
  expect(names).toEqual(['FetchJob', 'FetchJob 2', 'FetchJob 3', 'ResizeJob', 'FetchJob 4'])
  expect(nodes.map(({ name, after, ifFailed, on }) => [name, after, ifFailed, on])).toEqual([
    ['FetchJob', [], undefined, undefined],
    ['FetchJob 2', [], undefined, undefined],
    ['FetchJob 3', [0], undefined, undefined],
    ['ResizeJob', [1, 2, 0], 'run', undefined],
    ['FetchJob 4', [], undefined, undefined],
    ['FetchJob 5', [], undefined, 'completed'],
  ])
})

test('the function of a workflow may be async, and is called for each dispatch', async () => {
  let calls = 0
  const flow = workflow('order', async (w) => {
    await Promise.resolve()
    calls++
    w.add(fetch)
  })
  expect((await definitionOf(flow)).nodes).toHaveLength(1)
  expect((await definitionOf(flow)).nodes).toHaveLength(1)
  expect(calls).toBe(2)
})

test('a flow may be a node of a flow, and lives in a partition of its own', async () => {
  const members = [ResizeJob.with({ file: 'a' }), ResizeJob.with({ file: 'b' })]
  const flow = workflow('order', (w) => {
    const first = w.add(chain([fetch, fetch]).name('fetch'))
    w.add(batch(members).allowFailures(1), { after: first })
    w.add(batch(members).allowFailures(), { after: first })
    w.add(new TextJob().with(first.result.path))
  })
  const { nodes } = await definitionOf(flow)
  expect(nodes.map(({ name, after }) => [name, after])).toEqual([
    ['fetch', []],
    ['batch', [0]],
    ['batch 2', [0]],
    ['TextJob', [0]],
  ])
  expect(nodes[0]!.flow!.definition).toMatchObject({
    kind: 'chain',
    name: 'fetch',
    nodes: [{}, { after: [0] }],
  })
  expect(nodes[0]!.flow!.home).toMatch(/^default/)
  expect(nodes[1]!.flow).toMatchObject({
    home: expect.stringMatching(/^images/),
    definition: { kind: 'batch', allowed: 1 },
  })
  expect(nodes[1]!.flow!.members!.map(({ job }) => job.payload)).toEqual(['{"file":"a"}', '{"file":"b"}'])
  expect(nodes[2]!.flow!.definition.allowed).toBeUndefined()
})

test('a flow lives in the queue of its first job, and in the same partition for the same id', async () => {
  const image = ResizeJob.with({ file: 'a' })
  expect((await definitionOf(chain([image, fetch]))).home).toMatch(/^images/)
  expect((await definitionOf(chain([]).onEnded(image))).home).toMatch(/^images/)
  expect((await definitionOf(chain([]))).home).toMatch(/^default/)
  expect((await definitionOf(workflow('a', (w) => w.add(chain([batch([image])])).name))).home).toMatch(
    /^images/,
  )
  const homes = await Promise.all(
    [1, 2].map(async () => (await definitionOf(chain([fetch]).withId('a-7'))).home),
  )
  expect(homes[0]).toBe(homes[1])
})

test('a setting makes a new draft of a flow, and the last setting counts', async () => {
  const one = chain([fetch])
  const other = one.name('a').name('b').keep({ completed: '1d' }).keep({ failed: false })
  expect(insideOfFlow(one)).toMatchObject({ callbacks: [] })
  expect(Object.isFrozen(other)).toBe(true)
  expect(await definitionOf(one)).not.toHaveProperty('name')
  expect(await definitionOf(other)).toMatchObject({ name: 'b', keep: { completed: 86_400_000, failed: 0 } })
  const longer = one.next(fetch)
  expect(
    [one, longer].map((each) => (insideOfFlow(each).content as unknown as { steps: unknown[] }).steps.length),
  ).toEqual([1, 2])
})

test('the nodes of a flow have the group, the lock, the limiter and the tags that their jobs would have in a dispatch', async () => {
  class LimitedJob extends Job {
    override limiter = limiter('stripe', { weight: (payload: { items: number }) => payload.items })
    override tags = tags((payload: { items: number }) => [`items-${payload.items}`])
    handle(_payload: { items: number; file?: string }) {}
  }
  const { nodes } = await definitionOf(
    chain([fetch])
      .next(([{ path }]) =>
        ShopJob.with({ shop: 'acme', file: path }).prioritized(5).delayed('5m').withTries(9),
      )
      .next(([{ path }]) => SyncJob.with({ user: 'ada', file: path }).withTimeout('1s'))
      .next(([{ path }]) => LimitedJob.with({ items: 3, file: path })),
  )
  expect(nodes.slice(1).map(({ job }) => job!.job)).toMatchObject([
    { group: { name: 'acme' }, priority: 5, delay: 300_000, options: { tries: 9 } },
    { lock: { name: expect.stringContaining('ada') }, options: { timeout: 1_000 } },
    { limiter: 'stripe*3', options: { tags: ['items-3'] } },
  ])
  // Jobs of one group are in one partition.
  const many = await definitionOf(
    workflow('a', (w) => {
      for (let i = 0; i < 9; i++) w.add(ShopJob.with({ shop: 'acme' }))
    }),
  )
  expect(new Set(many.nodes.map(({ job }) => job!.partition)).size).toBe(1)
})

test.each([
  ['ShopJob: group', (w: WorkflowBuilder, file: string) => w.add(ShopJob.with({ shop: file }))],
  ['SyncJob: unique', (w: WorkflowBuilder, file: string) => w.add(SyncJob.with({ user: file }))],
  ['SyncJob: unique', (w: WorkflowBuilder, file: string) => w.add(SyncJob.with(file as never))],
])('%s: a function that reads an open result is refused', async (name, add) => {
  expect(await building((w) => add(w, w.add(fetch).result.path))).toBe(
    `RESULT_NOT_KNOWN ${name} reads result.path of FetchJob, which is not known when the flow is dispatched`,
  )
})

test('a reference to a result cannot be used like a value', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: uses that the compiler would refuse
  const uses: [string, (result: any) => unknown][] = [
    ['made a text or a number', (result) => `${result.path}`],
    ['made a text or a number', (result) => result.path + 1],
    ['made JSON', (result) => JSON.stringify({ a: result.path })],
    ['iterated', (result) => [...result.path]],
    ['called', (result) => result.path()],
    ['spread or listed', (result) => ({ ...result.path })],
    ['spread or listed', (result) => Object.keys(result.path)],
    ['searched', (result) => 'a' in result.path],
    ['searched', (result) => Object.hasOwn(result.path, 'a')],
    ['changed', (result) => Object.assign(result.path, { a: 1 })],
    ['awaited', async (result) => await result.path],
  ]
  for (const [use, act] of uses)
    expect(await building(async (w) => act(w.add(fetch).result))).toBe(
      `RESULT_NOT_KNOWN result.path of FetchJob is not known while the flow is built, and cannot be ${use}`,
    )
  let shown = ''
  await building((w) => {
    shown = inspect(w.add(fetch).result.parts[0])
  })
  expect(shown).toContain('result.parts[0] of FetchJob')
})

test('a reference to a result is refused outside of its flow', async () => {
  let kept: WorkflowNode<{ path: string }> | undefined
  await building((w) => {
    kept = w.add(fetch)
  })
  const draft = new ResizeJob().with({ file: kept!.result.path })
  expect(await building((w) => w.add(draft))).toBe(
    'FLOW_INVALID ResizeJob uses the result.path of FetchJob, which is a node of another flow',
  )
  expect(await refusal(batch([draft]))).toBe('none')
  class FreeJob extends Job {
    static override readonly schema = lenient<{ file: string }>()
    handle(_payload: { file: string }) {}
  }
  const made = new FlowJobs({ partitions, retention: RETENTION, check: () => {} })
  for (const each of [draft, FreeJob.with({ file: kept!.result.path })]) {
    expect(await building((w) => w.add(batch([each])))).toContain('FLOW_INVALID')
    expect(() => made.member(insideOfDraft(each))).toThrow(
      'payload.file is result.path of FetchJob, which only nodes of its flow can use',
    )
  }
})

test('an inner flow may use the results of nodes of the outer flow', async () => {
  const flow = workflow('order', (w) => {
    const first = w.add(fetch)
    const { result } = first
    const image = ResizeJob.with({ file: result.path })
    w.add(batch([ResizeJob.with({ file: 'a' }), image]))
    w.add(
      chain([fetch, image]).next(([fetched]) =>
        chain([TextJob.with(fetched.path), TextJob.with(result.path)]),
      ),
    )
  })
  const { nodes } = await definitionOf(flow)
  const from = { node: 0, path: ['path'] }
  expect(nodes.map(({ after, refs }) => [after, refs])).toEqual([
    [[], undefined],
    [[0], [{ ...from, at: ['members', 1, 'file'] }]],
    [
      [0],
      [
        { ...from, at: [1, 'file'] },
        { ...from, at: [2, 1] },
      ],
    ],
  ])
  const inner = nodes[2]!.flow!.definition.nodes
  expect(inner.map(({ after, refs }) => [after, refs])).toEqual([
    [[], undefined],
    [[0], undefined],
    [[1, 0], [{ ...from, at: [0] }]],
  ])
})

test('invalid values are refused with their names', async () => {
  class LastJob extends Job {
    override unique = unique({ keepLast: true })
    handle() {}
  }
  let other: WorkflowNode | undefined
  let builder: WorkflowBuilder | undefined
  await building((w) => {
    builder = w
    other = w.add(fetch)
  })
  expect(await building((w) => w.add(fetch, { after: other }))).toContain(
    'FLOW_INVALID FetchJob comes after FetchJob, which is a node of another workflow',
  )
  expect(() => builder!.add(fetch)).toThrow(
    'w.add() was called with FetchJob after the workflow had been built',
  )
  const cases: [string, FlowDraft][] = [
    ["Two nodes have the name 'a'", workflow('x', (w) => [1, 2].map(() => w.add(fetch, { name: 'a' })))],
    ["w.add(FetchJob): name is ''; it must be a text", workflow('x', (w) => w.add(fetch, { name: '' }))],
    ['w.add(FetchJob): after is', workflow('x', (w) => w.add(fetch, { after: 'a' as never }))],
    ['w.add(FetchJob): ifFailed is', workflow('x', (w) => w.add(fetch, { ifFailed: 'no' as never }))],
    ['w.add(FetchJob): nme is not an option', workflow('x', (w) => w.add(fetch, { nme: 1 } as never))],
    ['w.add() was given undefined; it must be a draft', workflow('x', (w) => w.add(undefined as never))],
    ['chain() was given', chain([new FetchJob() as never])],
    ['chain() was given 7', chain([fetch]).next((() => 7) as never)],
    ['onFailed() was given', chain([fetch]).onFailed(7 as never)],
    ['batch() was given a chain as a member', workflow('x', (w) => w.add(batch([chain([]) as never])))],
    ['batch() was given 7', workflow('x', (w) => w.add(batch(7 as never)))],
    ['FetchJob: a draft in a flow has the id mine', chain([fetch.withId('mine')])],
    ['LastJob: unique has replace, debounce or keepLast', chain([LastJob.with()])],
    ['x: id is', chain([fetch]).name('x').withId('a.b')],
    ['chain: id is', chain([fetch]).withId('a'.repeat(41))],
    ['chain: name is', chain([fetch]).name('')],
    ['chain: within is', chain([fetch]).within('soon')],
    ['chain: tags is', chain([fetch]).tagged('')],
    ['chain: keep.completed is', chain([fetch]).keep({ completed: 'long' })],
    ['batch: allowFailures is', batch([fetch]).allowFailures(-1)],
  ]
  for (const [message, flow] of cases) expect(await refusal(flow)).toContain(`FLOW_INVALID ${message}`)
})

test('a flow has a maximum number of nodes and a maximum depth', async () => {
  const nodes = (count: number) =>
    building((w) => {
      for (let i = 0; i < count; i++) w.add(fetch)
    })
  expect(await nodes(10_000)).toBe('none')
  expect(await nodes(10_001)).toContain('FLOW_TOO_LARGE A workflow has more than 10000 nodes')
  expect(await refusal(chain(Array.from({ length: 10_000 }, () => fetch)).onEnded(fetch))).toContain(
    'FLOW_TOO_LARGE',
  )
  const nested = (depth: number): FlowDraft => (depth === 1 ? chain([fetch]) : chain([nested(depth - 1)]))
  expect(await refusal(nested(10))).toBe('none')
  expect(await refusal(nested(11))).toBe('FLOW_TOO_LARGE A chain is nested more than 10 flows deep')
})

/** The limit is 4 MiB, so eight of these texts are below it. */
const large = 'x'.repeat(500_000)

test('a flow that is too large is refused as soon as a part makes it too large', async () => {
  let made = 0
  const next = () => {
    made++
    return TextJob.with(large)
  }
  /** @returns how many parts were made, and the error */
  const refused = async (flow: FlowDraft) => {
    made = 0
    return [await refusal(flow), made]
  }
  const many = Array.from({ length: 10_000 }, () => next)
  const tooLarge = (what: string) => `FLOW_TOO_LARGE With ${what}, the flow has more than 4194304 bytes`
  const nodes = workflow('w', (w) => many.forEach((each) => void w.add(each())))
  expect(await refused(nodes)).toEqual([tooLarge('TextJob 9'), 9])
  expect(await refused(chain([]).next(() => nodes))).toEqual([tooLarge('TextJob 9'), 9])
  expect(await refused(chain(many as never))).toEqual([tooLarge('TextJob 9'), 9])
  const before = workflow('w', (w) => {
    for (const each of many.slice(0, 5)) w.add(each())
    w.add(chain(many.slice(0, 5) as never))
  })
  expect(await refused(before)).toEqual([tooLarge('TextJob 4'), 9])
  let isClosed = false
  function* endless(text: string) {
    try {
      for (;;) {
        made++
        yield TextJob.with(text)
      }
    } finally {
      isClosed = true
    }
  }
  expect(await refused(chain([batch(endless(large))]))).toEqual([tooLarge('TextJob'), 9])
  expect(isClosed).toBe(true)
  const [words, count] = await refused(chain([batch(endless(''))]))
  expect([words, Number(count) < 110_000]).toEqual([tooLarge('TextJob'), true])
  // Each node waits for all earlier nodes, so the text of the definition would have 240 MB.
  const linked = workflow('w', (w) => {
    const all: WorkflowNode[] = []
    for (const _ of many) all.push(w.add(fetch, { after: [...all] }))
    made = all.length
  })
  expect((await refused(linked))[0]).toMatch(/^FLOW_TOO_LARGE With FetchJob \d+, the flow has more than/)
  const inner = chain([next()])
  expect(await refusal(chain(Array.from({ length: 9 }, () => inner)))).toBe(tooLarge('TextJob'))
})

test('only a few megabytes of the members of a batch are read ahead', async () => {
  let made = 0
  function* members(text: string) {
    for (;;) {
      made++
      yield TextJob.with(text)
    }
  }
  for (const [text, count] of [
    [large, 9],
    ['', 5_000],
  ] as const) {
    made = 0
    const read = await BatchMembers.of(members(text))
    await read.close()
    expect(made).toBe(count)
  }
})
