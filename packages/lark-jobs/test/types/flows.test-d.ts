/**
 * What the types of flows promise. Checked by the compiler: every line marked with ts-expect-error must not
 * compile.
 */
import { batch, chain, Job, Jobs, workflow } from '../../src/index.ts'

class FetchJob extends Job {
  async handle(_payload: { url: string }): Promise<{ path: string; size: number } | false> {
    return { path: 'a', size: 1 }
  }
}
class ResizeJob extends Job {
  handle(_payload: { file: string; width?: number }): string {
    return 'b'
  }
}
class PublishJob extends Job {
  handle(_payload: { images: string[]; meta: { from: string; size: number } }) {}
}
class DoneJob extends Job {
  handle() {
    return true
  }
}
class DatedJob extends Job {
  handle(): { at: Date; tags: string[]; note?: string } {
    return { at: new Date(), tags: [] }
  }
}

const fetch = new FetchJob().with({ url: 'a' })

// the result of a chain is the result of its last step, and a later step knows the results of the earlier
// steps
export const chained = async () => {
  const path: string = await (await chain([fetch, new ResizeJob().with({ file: 'a' })]).dispatch()).result()
  const first: { path: string } | undefined = await (await chain([fetch]).dispatch()).result()
  const nothing: undefined = await (await chain([fetch, new DoneJob().with()]).dispatch()).result()
  const empty: undefined = await (await chain([]).dispatch()).result()
  const handle = await chain([fetch])
    .next(([fetched]) => ResizeJob.with({ file: fetched.path }))
    .next(([fetched, resized]) =>
      PublishJob.with({ images: [resized], meta: { from: fetched.path, size: fetched.size } }),
    )
    .next(new DoneJob().with())
    .name('thumbnail')
    .onFailed(new DoneJob().with())
    .dispatch()
  const last: undefined = await handle.result()
  // @ts-expect-error the size is a number
  chain([fetch]).next(([fetched]) => ResizeJob.with({ file: fetched.size }))
  // @ts-expect-error there is no second step yet
  chain([fetch]).next(([, second]) => ResizeJob.with({ file: second.path }))
  // @ts-expect-error no such result
  chain([fetch]).next(([fetched]) => ResizeJob.with({ file: fetched.file }))
  // @ts-expect-error a step is a draft
  chain([new FetchJob()])
  // @ts-expect-error the payload is checked as ever
  chain([new FetchJob().with({ url: 1 })])
  // @ts-expect-error a draft of a job has no steps
  fetch.next
  // @ts-expect-error a failure is allowed in a batch
  chain([fetch]).allowFailures()
  // @ts-expect-error an await would call it
  chain([fetch]).then
  return [path, first, nothing, empty, last]
}

// a batch takes drafts from anything that can be iterated
async function* drafts() {
  yield new FetchJob().with({ url: 'a' })
}
export const batched = async () => {
  const { completed, failed, total } = await (
    await batch(drafts()).name('import').allowFailures(10).onCompleted(new DoneJob().with()).dispatch()
  ).result()
  batch(new Set([fetch]))
    .allowFailures()
    .within('2h')
    .withId('import-7')
    .tagged('a', 'b')
  batch([fetch]).keep({ completed: '7d', failed: false })
  batch([fetch, new DoneJob().with()])
  // @ts-expect-error members are jobs
  batch([chain([fetch])])
  // @ts-expect-error no state
  batch([fetch]).keep({ active: '1d' })
  // @ts-expect-error a batch is no chain
  batch([fetch]).next(fetch)
  return [completed, failed, total]
}

// a node of a workflow takes results where it takes their types
export const order = workflow('order', (w) => {
  const fetched = w.add(fetch)
  const resized = w.add(new ResizeJob().with({ file: fetched.result.path }), { after: fetched })
  const dated = w.add(new DatedJob().with(), { after: [fetched, resized], ifFailed: 'run', name: 'dated' })
  w.add(new PublishJob().with({ images: [resized.result], meta: fetched.result && { from: 'a', size: 1 } }))
  const text: string = dated.result.at
  // @ts-expect-error as JSON makes it, it is a text
  const date: Date = dated.result.at
  // @ts-expect-error a handler that returns only true has no result
  w.add(new ResizeJob().with({ file: w.add(new DoneJob().with()).result }))
  // @ts-expect-error no such result
  w.add(new ResizeJob().with({ file: fetched.result.file }))
  // @ts-expect-error the size is a number
  w.add(new ResizeJob().with({ file: fetched.result.size }))
  // @ts-expect-error a node, not a draft
  w.add(fetch, { after: fetch })
  // @ts-expect-error no such policy
  w.add(fetch, { ifFailed: 'ignore' })
  // @ts-expect-error no option
  w.add(fetch, { before: fetched })
  // @ts-expect-error a job without its payload
  w.add(new FetchJob())
  const inner = w.add(chain([fetch, new ResizeJob().with({ file: 'a' })]))
  const many = w.add(batch([fetch]))
  const graph = w.add(workflow('inner', () => {}))
  w.add(new ResizeJob().with({ file: inner.result, width: many.result.failed }))
  return [text, date, graph.name]
})
export const ordered = async () => {
  const results: Record<string, unknown> = await (await order.dispatch()).result()
  // any instance dispatches a flow
  const path: string = await (await Jobs.dispatch(chain([new ResizeJob().with({ file: 'a' })]))).result()
  // @ts-expect-error no builder
  workflow('order')
  // @ts-expect-error no callback
  order.onCompleted(() => {})
  return [results, path]
}
