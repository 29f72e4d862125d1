import { expect, test } from 'vitest'
import { type ApprovalContext, defineSignal, Job, type JobsError } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect } from './bench.ts'

const WAIT = { timeout: 20_000 }
const url = (token: string, more = '') => `https://example.com/approve?token=${token}${more}`

/** A job whose handler a test writes. */
let handler: (job: Job) => unknown
class ApprovedJob extends Job {
  override readonly key = 'approved'
  override backoff = 1
  handle(): unknown {
    return handler(this)
  }
}

/** Dispatches a job that asks for an approval, and starts a worker. */
async function ask(bench: Bench, options: { timeout?: number | string; title?: string } = {}) {
  const tokens: string[] = []
  handler = async (job) => {
    const send = ({ token }: ApprovalContext) => void tokens.push(token)
    return { answer: (await job.approval('publish', { send, ...(options as object) })) ?? null }
  }
  const handle = await bench.jobs.dispatch(new ApprovedJob().with())
  const worker = await bench.work([ApprovedJob])
  const isSuspended = async () => (await handle.status())?.suspended
  await expect.poll(isSuspended, WAIT).toEqual(['$approval:publish'])
  return { handle, worker, token: tokens[0]!, result: () => handle.result({ timeout: '20s' }) }
}

export function approving(connect: Connect): void {
  test('a token can be used once, also by another client, and is never stored', async () => {
    await using bench = await Bench.make(connect)
    const { token, result, handle } = await ask(bench, { title: 'Publish it?' })
    const other = bench.client()
    const [secret] = Buffer.from(token, 'base64url').toString().split('\n').slice(-1)
    expect(Buffer.from(secret!, 'base64url')).toHaveLength(16)
    expect(await bench.place.mentions?.(secret!)).toEqual([])
    expect(await bench.place.mentions?.(token)).toEqual([])
    const job = { id: handle.id, key: 'approved', queue: 'default' }
    const open = { state: 'open', name: 'publish', title: 'Publish it?', job }
    expect(await other.approval(token)).toEqual(open)
    const both = await Promise.all([other.redeem(token, { by: 'ada' }), other.redeem(token, { by: 'ada' })])
    expect(both.sort()).toEqual([false, true])
    expect(await other.approval(token)).toEqual({ ...open, state: 'answered' })
    expect(await result()).toEqual({ answer: { value: { by: 'ada' } } })
    expect(await other.redeem(token, { by: 'bob' })).toBe(false)
    expect(await other.approval(token)).toMatchObject({ state: 'answered' })
  })

  test('to open the page gives no answer, and a POST answers once', async () => {
    await using bench = await Bench.make(connect)
    const { token, result } = await ask(bench, { title: '<b>Publish</b> it?', timeout: '1h' })
    const page = bench.client().approvalPage()
    for (const method of ['GET', 'HEAD', 'GET']) {
      const shown = await page(new Request(url(token), { method }))
      expect(shown.status).toBe(200)
      expect(Object.fromEntries(shown.headers)).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      })
      const text = await shown.text()
      expect(text).not.toMatch(/<b>|<script/)
      if (method === 'GET') expect(text).toMatch(/method="post".*choice=Approve.*choice=Reject/)
    }
    expect(await bench.jobs.approval(token)).toMatchObject({ state: 'open', until: expect.any(Number) })
    const wrong = await page(new Request(url(token, '&choice=Perhaps'), { method: 'POST' }))
    expect(wrong.status).toBe(400)
    expect((await page(new Request(url(token), { method: 'PUT' }))).status).toBe(405)
    for (const method of ['GET', 'POST'])
      for (const bad of ['', 'nonsense', token.slice(0, -4)])
        expect((await page(new Request(url(bad), { method }))).status).toBe(404)
    const rejected = await page(new Request(url(token, '&choice=Reject'), { method: 'POST' }))
    expect({ status: rejected.status, text: await rejected.text() }).toMatchObject({
      ...{ status: 200, text: expect.stringContaining('Reject') },
    })
    expect(await result()).toEqual({ answer: { value: false } })
    for (const method of ['GET', 'POST']) {
      const late = await page(new Request(url(token), { method }))
      expect({ status: late.status, text: await late.text() }).toMatchObject({
        ...{ status: 410, text: expect.stringContaining('already') },
      })
    }
  })

  test('a POST without a button approves', async () => {
    await using bench = await Bench.make(connect)
    const { token, result } = await ask(bench)
    const page = bench.jobs.approvalPage({ choices: { Yes: { yes: 1 } } })
    expect((await page(new Request(url(token), { method: 'POST' }))).status).toBe(200)
    expect(await result()).toEqual({ answer: { value: { yes: 1 } } })
  })

  test('an approval that has timed out, or whose job was cancelled, can no longer be answered', async () => {
    await using bench = await Bench.make(connect)
    const { token, worker, handle, result } = await ask(bench, { timeout: '1h' })
    await worker.stop()
    const states: string[] = []
    const refused = async () => {
      expect(await bench.jobs.redeem(token)).toBe(false)
      const page = bench.jobs.approvalPage()
      expect((await page(new Request(url(token)))).status).toBe(410)
      expect((await page(new Request(url(token), { method: 'POST' }))).status).toBe(410)
      states.push((await bench.jobs.approval(token)).state)
    }
    await handle.reschedule(1)
    await expect.poll(async () => (await bench.jobs.approval(token)).state, WAIT).toBe('expired')
    await refused()
    await using _ = await bench.work([ApprovedJob])
    expect(await result()).toEqual({ answer: null })
    await refused()
    const other = await ask(bench)
    await other.handle.cancel()
    expect(await bench.jobs.redeem(other.token)).toBe(false)
    expect(states).toEqual(['expired', 'ended'])
  })

  test('invented tokens, shortened tokens and tokens of other jobs are refused with a code', async () => {
    await using bench = await Bench.make(connect)
    const { token, result } = await ask(bench)
    const parts = Buffer.from(token, 'base64url').toString().split('\n')
    const changed = (at: number, part: string) =>
      Buffer.from(parts.map((each, i) => (i === at ? part : each)).join('\n')).toString('base64url')
    const bad = [
      ...['', 'nonsense', token.slice(1), token.slice(0, -4), undefined, 7],
      changed(0, 'nowhere'),
      changed(0, 'emails'),
      changed(1, 'other'),
      changed(1, ''),
      ...['1', '99', '-1', '1e9', ''].map((place) => changed(2, place)),
      changed(3, 'A'.repeat(22)),
      changed(3, ''),
    ]
    for (const each of bad) {
      const refused = await bench.jobs.redeem(each as string).catch(({ code }: JobsError) => code)
      expect([each, refused]).toEqual([each, 'APPROVAL_INVALID'])
    }
    await expect(bench.jobs.redeem(token, () => 1)).rejects.toMatchObject({ code: 'PAYLOAD_NOT_JSON' })
    await using elsewhere = await Bench.make(connect)
    await expect(elsewhere.jobs.redeem(token)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    expect(await bench.jobs.redeem(token)).toBe(true)
    expect(await result()).toEqual({ answer: { value: true } })
  })

  test('if a token is sent again, either token may be used, but only one of them and once, also after a restart', async () => {
    await using bench = await Bench.make(connect)
    const tokens: string[] = []
    handler = async (job) => {
      const send = ({ token, attempt }: ApprovalContext) => {
        tokens.push(token)
        if (attempt === 1) throw new Error('the mail server said nothing')
      }
      return job.approval(['publish', 7], { send, tries: 2, backoff: 1 })
    }
    const handle = await bench.jobs.dispatch(new ApprovedJob().with())
    const worker = await bench.work([ApprovedJob])
    const waits = ['$approval:["publish",7]']
    await expect.poll(async () => (await handle.status())?.suspended, WAIT).toEqual(waits)
    await worker.stop()
    const by = operate(bench.jobs)
    expect((await by.why(handle.id))!.reasons.at(-1)!.text).toBe(
      'It is suspended: it waits for the answer to publish 7',
    )
    // This signal cannot be sent from outside.
    expect((await by.steps.list(handle.id))!.waitsFor).toEqual([])
    const [first, second] = tokens as [string, string]
    const both = await Promise.all([bench.jobs.redeem(first, 1), bench.jobs.redeem(second, 1)])
    expect(both.sort()).toEqual([false, true])
    await using _ = await bench.work([ApprovedJob])
    expect(await handle.result({ timeout: '20s' })).toEqual({ value: 1 })
    expect(tokens).toHaveLength(2)
  })

  test('a job that forgets an approval asks again, and the first token is no longer valid', async () => {
    await using bench = await Bench.make(connect)
    const tokens: string[] = []
    handler = async (job) => {
      const send = ({ token }: ApprovalContext) => void tokens.push(token)
      const answer = await job.approval('publish', { send })
      if (answer?.value === false) await job.sleep('a week', '7d')
      return answer
    }
    const handle = await bench.jobs.dispatch(new ApprovedJob().with())
    const worker = await bench.work([ApprovedJob])
    await expect.poll(() => tokens.length, WAIT).toBe(1)
    expect(await bench.jobs.redeem(tokens[0]!, false)).toBe(true)
    await expect.poll(async () => (await handle.status())?.suspended, WAIT).toEqual([])
    await worker.stop()
    expect(await operate(bench.jobs).steps.forget(handle.id, ['publish'])).toEqual(['publish'])
    await handle.runNow()
    await using _ = await bench.work([ApprovedJob])
    await expect.poll(() => tokens.length, WAIT).toBe(2)
    expect(await bench.jobs.redeem(tokens[0]!)).toBe(false)
    expect(await bench.jobs.redeem(tokens[1]!)).toBe(true)
    expect(await handle.result({ timeout: '20s' })).toEqual({ value: true })
  })

  test('a moved job with more entries than one read returns gets its answer', async () => {
    await using bench = await Bench.make(connect)
    const tokens: string[] = []
    handler = async (job) => {
      await job.step('large', () => 'x'.repeat(70_000))
      const send = ({ token }: ApprovalContext) => void tokens.push(token)
      const [answer] = await Promise.all([
        job.approval('publish', { send, timeout: '1h' }),
        job.step('beside', () => 'y'.repeat(70_000)),
      ])
      return answer
    }
    const handle = await bench.jobs.dispatch(new ApprovedJob().with())
    const worker = await bench.work([ApprovedJob])
    await expect.poll(async () => (await handle.status())?.suspended, WAIT).toHaveLength(1)
    await worker.stop()
    expect(await handle.move('low')).toBe(true)
    const { state, until, job } = await bench.jobs.approval(tokens[0]!)
    expect({ state, until, job }).toEqual({
      ...{ state: 'open', until: expect.any(Number) },
      job: { id: handle.id, key: 'approved', queue: 'low' },
    })
    expect(await bench.jobs.redeem(tokens[0]!, 'yes')).toBe(true)
    expect(await bench.jobs.redeem(tokens[0]!, 'yes')).toBe(false)
    await using _ = await bench.work([ApprovedJob])
    expect(await handle.result({ timeout: '20s' })).toEqual({ value: 'yes' })
  })

  test('a job that is being undone no longer asks for an approval', async () => {
    await using bench = await Bench.make(connect)
    const tokens: string[] = []
    handler = async (job) => {
      await job.step('charge', () => 1, { undo: () => {} })
      return job.approval('publish', { send: ({ token }) => void tokens.push(token) })
    }
    const handle = await bench.jobs.dispatch(new ApprovedJob().with())
    const worker = await bench.work([ApprovedJob])
    await expect.poll(async () => (await handle.status())?.suspended, WAIT).toHaveLength(1)
    await worker.stop()
    await handle.cancel()
    expect(await handle.status()).toMatchObject({ undoing: true })
    expect(await bench.jobs.approval(tokens[0]!)).toMatchObject({ state: 'ended' })
    expect(await bench.jobs.redeem(tokens[0]!)).toBe(false)
  })

  test('users cannot use names of signals that begin with $, and wrong options are refused before anything is sent', async () => {
    await using bench = await Bench.make(connect)
    const { token, handle } = await ask(bench)
    expect(() => defineSignal('$approval:publish')).toThrow(expect.objectContaining({ code: 'STEP_INVALID' }))
    const forged = handle.send({ name: '$approval:publish' })
    await expect(forged).rejects.toMatchObject({ code: 'STEP_INVALID' })
    const by = operate(bench.jobs)
    const byHand = by.steps.send(handle.id, '$approval:publish')
    await expect(byHand).rejects.toMatchObject({ code: 'STEP_INVALID' })
    const [reason] = (await by.why(handle.id))?.reasons ?? []
    expect(reason).toMatchObject({ kind: 'suspended', remedy: { do: 'see-job' } })
    await bench.jobs.redeem(token)
    await handle.result({ timeout: '20s' })
    const sent: unknown[] = []
    handler = async (job) => {
      const codes: unknown[] = []
      const send = (context: ApprovalContext) => void sent.push(context)
      for (const [name, options] of [
        ['a', {}],
        ['b', { send, title: 7 }],
        ['b2', { send, title: 'x'.repeat(1_001) }],
        ['', { send }],
        ['c'.repeat(195), { send }],
        ['d', { send, timeout: 'soon' }],
        ['e', { send, tries: 0 }],
      ] as const)
        await job.approval(name, options as never).catch(({ code }: JobsError) => codes.push(code))
      return codes
    }
    const refused = await bench.jobs.dispatch(new ApprovedJob().with())
    expect(await refused.result({ timeout: '20s' })).toEqual(Array(7).fill('STEP_INVALID'))
    expect(sent).toEqual([])
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const request = new Request(`https://example.com/?token=${token}`)
    for (const value of [revoked.proxy, { by: revoked.proxy }])
      await expect(bench.jobs.redeem(token, value)).rejects.toMatchObject({
        code: 'PAYLOAD_NOT_JSON',
        message: expect.stringMatching(/^The signal .* cannot be read: .*revoked/),
      })
    for (const odd of [
      null,
      7,
      revoked.proxy,
      { choices: null },
      { choices: {} },
      { choices: revoked.proxy },
    ])
      await expect(bench.jobs.approvalPage(odd as never)(request)).rejects.toMatchObject({
        code: 'STEP_INVALID',
        message: expect.stringMatching(/^Jobs: approvalPage\(\) was given .*; it must be an object/),
      })
    for (const odd of [
      null,
      7,
      '',
      {},
      revoked.proxy,
      Symbol('odd'),
      '\0'.repeat(9),
      'x'.repeat(1e6),
    ] as never[]) {
      await expect(bench.jobs.approval(odd)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
      await expect(bench.jobs.redeem(odd)).rejects.toMatchObject({ code: 'APPROVAL_INVALID' })
    }
  })
}
