/**
 * Asks questions to the person at the terminal, with the library @clack/prompts. The library is loaded with
 * the first question, because most commands ask no question. `canAsk` in `console.ts` says whether a person
 * can answer.
 *
 * A person can cancel a question with Ctrl-C, Ctrl-D or Escape. The question then throws PROMPT_CANCELLED.
 * The program does not print this error, and exits with 130 as after a SIGINT.
 */
import { Writable } from 'node:stream'
import { defined } from '../defined.ts'
import { larkError } from '../errors.ts'
import { visible, withoutColor } from '../words/visible.ts'

/** A possible answer of a question with choices. */
export interface Choice<T extends string = string> {
  value: T
  /** The text for the choice in the list. Default: the value. */
  label?: string
  /** More about the choice, which is shown beside the choice while the cursor is on it. */
  hint?: string
}

/** Checks an answer. Returns the mistake in one line, or undefined if the answer is valid. */
export type Validate = (answer: string) => string | undefined

/** A question. `default` is the answer if the person only presses Enter, or if no person can be asked. */
export type Prompt =
  | {
      kind: 'ask'
      question: string
      default?: string | undefined
      placeholder?: string | undefined
      validate?: Validate | undefined
    }
  | { kind: 'secret'; question: string; default?: undefined; validate?: Validate | undefined }
  | { kind: 'confirm'; question: string; default?: boolean | undefined }
  | { kind: 'choose'; question: string; choices: readonly Choice[]; default?: string | undefined }
  | {
      kind: 'choose-many'
      question: string
      choices: readonly Choice[]
      default?: readonly string[] | undefined
    }

/**
 * An answer. Depending on the kind of the question, the answer is a text, yes or no, or the values that were
 * chosen.
 */
export type Answer = string | boolean | readonly string[]

/** The streams of a question: `output` shows the question, and `input` brings the answer. */
export interface Terminal {
  input: NodeJS.ReadableStream
  output: { write(text: string): unknown; readonly columns?: number; readonly rows?: number }
  hasColor: boolean
  /** A signal whose abort withdraws the question. */
  signal?: AbortSignal | undefined
}

/** Shows a question, and waits for its answer. @throws PROMPT_CANCELLED, the reason of the signal */
export async function ask(prompt: Prompt, { input, output, hasColor, signal }: Terminal): Promise<Answer> {
  const clack = await import('@clack/prompts')
  signal?.throwIfAborted()
  const screen = Object.assign(
    new Writable({
      decodeStrings: false,
      write(text: string, _, done) {
        output.write(hasColor ? text : withoutColor(text))
        done()
      },
    }),
    { columns: output.columns || 80, rows: output.rows || 24, isTTY: true },
  )
  // At the end of the input and after Ctrl-D, clack would wait for ever. To prevent this, the signal `ended`
  // ends the question.
  const ended = new AbortController()
  const end = () => ended.abort()
  const press = (_: unknown, key?: { ctrl?: boolean; name?: string }) => {
    if (key?.ctrl && key.name === 'd') end()
  }
  input.on('end', end).on('keypress', press)
  const common = {
    ...{ message: visible(prompt.question), input: input as NodeJS.ReadStream, output: screen },
    signal: signal ? AbortSignal.any([signal, ended.signal]) : ended.signal,
  }
  try {
    const answer = await shown(prompt, common, clack)
    signal?.throwIfAborted()
    if (clack.isCancel(answer)) throw cancelled(prompt.question)
    return answer as Answer
  } finally {
    input.off('end', end).off('keypress', press)
  }
}

type Clack = typeof import('@clack/prompts')
type Common = Pick<Parameters<Clack['text']>[0], 'message' | 'input' | 'output' | 'signal'>

function shown(prompt: Prompt, common: Common, clack: Clack): Promise<unknown> {
  switch (prompt.kind) {
    case 'ask':
      return clack.text({
        ...common,
        validate: (answer = '') => faultOf(prompt, answer || (prompt.default ?? '')),
        ...defined({ defaultValue: prompt.default }),
        placeholder: visible(prompt.placeholder ?? prompt.default ?? ''),
      })
    case 'secret':
      return clack.password({ ...common, validate: (answer = '') => faultOf(prompt, answer) })
    case 'confirm':
      return clack.confirm({ ...common, initialValue: prompt.default ?? false })
    case 'choose':
      return clack.select({
        ...common,
        options: prompt.choices.map(option),
        ...defined({ initialValue: prompt.default }),
      })
    case 'choose-many':
      return clack.multiselect({
        ...common,
        options: prompt.choices.map(option),
        initialValues: [...(prompt.default ?? [])],
        required: false,
      })
  }
}

function option({ value, label = value, hint }: Choice) {
  return { value, label: visible(label), ...(hint !== undefined && { hint: visible(hint) }) }
}

/**
 * The mistake in an answer. An empty answer is valid only if the question has a default, or if its `validate`
 * accepts ''.
 */
function faultOf(prompt: Extract<Prompt, { validate?: unknown }>, answer: string): string | undefined {
  const fault = prompt.validate ? prompt.validate(answer) : answer === '' ? 'An answer is needed' : undefined
  return fault === undefined ? undefined : visible(fault)
}

function cancelled(question: string) {
  return larkError('PROMPT_CANCELLED', `The question "${visible(question)}" was left`, { exit: 130 })
}

/**
 * Checks an answer that a test has given to a question, and converts it to the type of the answer. '' stands
 * for Enter, and thus for the default. For a question with choices, the test gives a value or a label. If
 * several choices are allowed, the test may give a list with commas.
 *
 * @throws ANSWER_INVALID
 */
export function answerOf(prompt: Prompt, given: Answer): Answer {
  const refused = (right: string) =>
    larkError('ANSWER_INVALID', `${JSON.stringify(given)} does not answer "${prompt.question}": ${right}`)
  switch (prompt.kind) {
    case 'confirm': {
      if (given === '') return prompt.default ?? false
      if (/^(y|yes|true)$/i.test(String(given))) return true
      if (/^(n|no|false)$/i.test(String(given))) return false
      throw refused("the answer is 'yes' or 'no'")
    }
    case 'choose':
    case 'choose-many': {
      if (given === '' && prompt.default !== undefined) return prompt.default
      const isMany = prompt.kind === 'choose-many'
      const words = typeof given === 'object' ? given : isMany ? String(given).split(',') : [String(given)]
      const values = words.map((word) => word.trim()).filter((word) => word !== '' || !isMany)
      const chosen = values.map((word) => {
        const found = prompt.choices.find(({ value, label }) => value === word || label === word)
        if (!found) throw refused(`the choices are ${prompt.choices.map(({ value }) => value).join(', ')}`)
        return found.value
      })
      return isMany ? chosen : chosen[0]!
    }
    case 'ask':
    case 'secret': {
      const text = given === '' ? (prompt.default ?? '') : String(given)
      const fault = faultOf(prompt, text)
      if (fault !== undefined) throw refused(fault)
      return text
    }
  }
}
