/**
 * Asks the server: the browser's side of `src/server/actions.ts`, with its types.
 */
import type { ActionName, Actions } from '../../src/server/actions.ts'
import { keyHeader } from './key.ts'

/** The server refused a request, or could not be reached. */
export class CallError extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, hint?: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

export type Input<Name extends ActionName> = Actions[Name]['input'] extends undefined
  ? Record<string, never>
  : Actions[Name]['input']
export type Output<Name extends ActionName> = Actions[Name]['output']

/** Calls an action that only reads, with a GET. @throws CallError */
export function look<Name extends ActionName>(
  name: Name,
  input: Input<Name>,
  signal?: AbortSignal,
): Promise<Output<Name>> {
  const query =
    Object.keys(input as object).length === 0 ? '' : `?input=${encodeURIComponent(JSON.stringify(input))}`
  return ask(`api/${name}${query}`, signal === undefined ? {} : { signal })
}

/** Calls an action that changes something, with a POST. @throws CallError */
export function send<T>(name: ActionName, input: object): Promise<T> {
  return ask(`api/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })
}

interface AskOptions extends RequestInit {
  headers?: Record<string, string>
}

async function ask<T>(path: string, options: AskOptions): Promise<T> {
  let answer: Response
  try {
    const headers = { ...options.headers, ...keyHeader() }
    answer = await fetch(path, { credentials: 'same-origin', ...options, headers })
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new CallError('SERVER_UNREACHABLE', 'The server of the dashboard does not answer')
  }
  if (!answer.ok) throw await errorOf(answer)
  return (await answer.json().catch(() => undefined)) as T
}

/** Makes an error from the answer of the server. */
export async function errorOf(answer: Response): Promise<CallError> {
  const value = await answer.json().catch(() => undefined)
  const {
    code = `HTTP_${answer.status}`,
    message = `The server answered ${answer.status}`,
    hint,
  } = value ?? {}
  return new CallError(code, message, hint)
}
