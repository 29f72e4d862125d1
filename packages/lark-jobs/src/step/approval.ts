/**
 * Approvals: a run makes a token, the application sends the token to a person, and the run waits until a
 * person with the token answers. The journal keeps only a hash of the token, so a person who can read the
 * store cannot answer.
 */
import { createHash, randomBytes } from 'node:crypto'
import { defined } from '@s18i/lark/internal'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { given, invalid } from './misused.ts'
import { type StepName, stepKey, stepWords } from './name.ts'
import type { SignalKind } from './signal.ts'
import type { StepContext, StepOptions } from './step-options.ts'

/**
 * The maximum length of a title, in characters. The limit is low because the entry of each token contains the
 * title.
 */
const MAX_TITLE = 1_000

/** The argument of the function that sends a token. */
export interface ApprovalContext extends StepContext {
  /** The token for `Jobs.redeem()`. A person who has the token can answer once. */
  readonly token: string
}

export interface ApprovalOptions extends Pick<StepOptions, 'tries' | 'backoff'> {
  /**
   * Sends the token to the person who may answer. This function is a step, so it runs once. If the worker
   * dies while the function runs, it runs again with another token. The answer may then come with either
   * token, but the run takes only the first answer.
   */
  send: (context: ApprovalContext) => unknown
  /** How long the run waits for the answer. Default: for ever. */
  timeout?: Duration
  /** The question, in words for the page on which the person answers. Default: the name of the approval. */
  title?: string
}

/** The data of a token that the journal keeps. */
export interface KeptToken {
  hash: string
  /**
   * The hash of the first token of this approval. This hash identifies the approval, so all tokens of an
   * approval lead to the same answer.
   */
  first: string
  /**
   * How many signals the run knew when it made the token. Earlier signals do not count, because they answered
   * an approval whose entries were forgotten.
   */
  heard: number
  title?: string
}

/** The contents of a token: the place of its job, and the secret that proves that the token is genuine. */
export interface Token {
  queue: string
  id: string
  /** The index of the journal entry that has the hash of the token. */
  place: number
  secret: string
}

export type NewToken = Pick<KeptToken, 'hash' | 'title'>
export type TokenPlace = Omit<Token, 'secret'>

/** The part of the steps of a run that an approval needs. */
export interface ApprovalAround {
  step(
    name: StepName,
    work: (context: StepContext) => Promise<void>,
    options: StepOptions<void>,
  ): Promise<void>
  waitFor(
    signal: SignalKind<unknown>,
    options: { timeout?: Duration },
  ): Promise<{ value: unknown } | undefined>
  /** Records a token. @returns the place of the token in the journal of its job */
  keepToken(key: string, token: NewToken): Promise<TokenPlace>
}

const ANSWER = '$approval:'

/** @param job the name of the job's class @throws STEP_INVALID */
export async function approval(
  around: ApprovalAround,
  job: string,
  name: StepName,
  options: ApprovalOptions,
): Promise<{ value: unknown } | undefined> {
  const key = stepKey(name)
  const call = `approval(${stepWords(key)})`
  const { send, timeout, title, ...how } = given(job, call, 'its options', options, 'an object with send')
  const signal = { name: answerTo(key) }
  // An invalid name must be refused before the token is sent.
  stepKey(signal.name)
  if (typeof send !== 'function') throw invalid(job, call, 'send', send, 'a function')
  if (title !== undefined && !(typeof title === 'string' && title.length <= MAX_TITLE))
    throw invalid(job, call, 'title', title, `a text of at most ${MAX_TITLE} characters`)
  if (timeout !== undefined && milliseconds(timeout) === undefined)
    throw invalid(job, call, 'timeout', timeout, durationForm)
  await around.step(
    name,
    async (context) => {
      const secret = randomBytes(16).toString('base64url')
      const place = await around.keepToken(key, { hash: hashOf(secret), ...defined({ title }) })
      await send({ ...context, token: writeToken({ ...place, secret }) })
    },
    how,
  )
  return around.waitFor(signal, defined({ timeout }))
}

/**
 * The name of the signal that brings the answer. The wait for the answer has the same name.
 *
 * @param key the key of the approval
 */
export function answerTo(key: string): string {
  return `${ANSWER}${key}`
}

/**
 * The name of a signal for people. For the signal of an approval, it is `the answer to publish`, for example.
 */
export function answerWords(signal: string): string {
  return signal.startsWith(ANSWER) ? `the answer to ${waitWords(signal)}` : signal
}

/** The name of a wait for people. For the wait of an approval, it is the name of the approval. */
export function waitWords(key: string): string {
  return stepWords(key.startsWith(ANSWER) ? key.slice(ANSWER.length) : key)
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

function writeToken({ queue, id, place, secret }: Token): string {
  return Buffer.from(`${queue}\n${id}\n${place}\n${secret}`).toString('base64url')
}

/** @returns undefined if the text is not a token */
export function readToken(text: unknown): Token | undefined {
  if (typeof text !== 'string' || text.length > 2_000) return undefined
  const parts = Buffer.from(text, 'base64url').toString().split('\n')
  const [queue = '', id = '', place = '', secret = ''] = parts
  if (parts.length !== 4 || !/^\d{1,9}$/.test(place) || secret === '') return undefined
  return { queue, id, place: Number(place), secret }
}
