/**
 * The web page on which a person answers an approval. Opening the page does not answer anything, because
 * programs that check mails follow the links in them. The page has no scripts. The page needs no session,
 * because everybody who has the token may answer.
 */
import { createHash } from 'node:crypto'
import { JobsError } from '../../model/errors.ts'
import { copied, given, invalid } from '../../step/misused.ts'
import { type Approval, findApproval } from '../look/approval.ts'
import type { Operated } from '../operated.ts'
import { redeem } from './redeem.ts'

export interface ApprovalPageOptions {
  /**
   * The label of each button, and the value that the job gets when a person presses the button. Default: `{
   * Approve: true, Reject: false }`. A POST that names no button counts as the first button.
   */
  choices?: Readonly<Record<string, unknown>>
}

/** The platform's `Request`, or the part of it that the page needs. */
export type ApprovalRequest = typeof globalThis extends { Request: { prototype: infer Declared } }
  ? Declared
  : { readonly method: string; readonly url: string }

/** The platform's `Response`. */
export type ApprovalResponse = typeof globalThis extends { Response: { prototype: infer Declared } }
  ? Declared
  : { readonly status: number; text(): Promise<string> }

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.5rem 1rem;margin-right:.5rem}'

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-robots-tag': 'noindex',
}

const endings = {
  answered: 'This has been answered already.',
  expired: 'The time to answer this is over.',
  ended: 'Nobody waits for this any more.',
}

/** @internal */
export async function approvalPage(
  jobs: Operated,
  { method, url }: { readonly method: string; readonly url: string },
  options: ApprovalPageOptions,
): Promise<ApprovalResponse> {
  const choices = choicesIn(options)
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    return page(405, 'This page does not do that.', '', { allow: 'GET, HEAD, POST' })
  const { searchParams } = new URL(url)
  const token = searchParams.get('token')
  const choice = searchParams.get('choice') ?? Object.keys(choices)[0]!
  try {
    const { approval } = await findApproval(jobs, token)
    if (method === 'POST') {
      if (!Object.hasOwn(choices, choice)) return page(400, 'There is no such answer.')
      if (await redeem(jobs, token, choices[choice])) return page(200, approval.title, said(choice))
      const { state } = (await findApproval(jobs, token)).approval
      return page(410, approval.title, `<p>${endings[state === 'open' ? 'ended' : state]}</p>`)
    }
    const { state } = approval
    const shown =
      state === 'open'
        ? page(200, approval.title, form(approval, token!, Object.keys(choices)))
        : page(410, approval.title, `<p>${endings[state]}</p>`)
    return method === 'HEAD' ? new Response(null, shown) : shown
  } catch (error) {
    if (!JobsError.is(error, 'APPROVAL_INVALID')) throw error
    return page(
      404,
      'This link is not valid.',
      '<p>Part of it may be missing. Open it again from the message.</p>',
    )
  }
}

/** @throws STEP_INVALID */
function choicesIn(options: ApprovalPageOptions): Readonly<Record<string, unknown>> {
  const [what, call] = ['Jobs', 'approvalPage()']
  const { choices = { Approve: true, Reject: false } } = given(
    what,
    call,
    'its options',
    options,
    'an object',
  )
  const copy = copied(choices)
  if (copy !== undefined && Object.keys(copy).length > 0) return copy
  throw invalid(what, call, 'its choices', choices, 'an object with a value for each button')
}

function said(choice: string): string {
  return `<p>Your answer is kept: ${escaped(choice)}.</p>`
}

function form({ job, until }: Approval, token: string, choices: readonly string[]): string {
  const buttons = choices.map((choice) => {
    const action = `?${new URLSearchParams({ token, choice })}`
    return `<button formaction="${escaped(action)}">${escaped(choice)}</button>`
  })
  const last = until === undefined ? '' : ` It can be answered until ${new Date(until).toUTCString()}.`
  return `<p>${escaped(job.key)} ${escaped(job.id)} asks.${last}</p><form method="post">${buttons.join('')}</form>`
}

function page(status: number, title: string, body = '', more: Record<string, string> = {}): Response {
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title>`
  const text = `<!doctype html><html lang="en"><head>${head}<style>${STYLE}</style></head><body><h1>${escaped(title)}</h1>${body}</body></html>`
  return new Response(text, { status, headers: { ...headers, ...more } })
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
