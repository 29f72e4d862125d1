/**
 * Makes open results (`model/open-result.ts`). Each property of an open result is again an open result, which
 * stands for that property. Code that needs the value itself gets an error, because the flow is still being
 * built and its jobs have not run.
 *
 * An open result is a proxy of a function, because only such a proxy can be called: so
 * `charge.result.lines.map(…)` gets an error that explains the mistake.
 */
import { JobsError } from '../model/errors.ts'
import { type OpenResult, openResult, wordsOf } from '../model/open-result.ts'

export function makeOpenResult(stands: OpenResult): unknown {
  const words = wordsOf(stands)
  const refuse = (use: string): never => {
    throw notKnown(`${words} is not known while the flow is built, and cannot be ${use}`)
  }
  return new Proxy(
    Object.defineProperty(() => {}, 'name', { value: words }),
    {
      get(_, key) {
        if (key === openResult) return stands
        if (key === Symbol.toPrimitive) return refuse('made a text or a number')
        if (key === Symbol.iterator || key === Symbol.asyncIterator) return refuse('iterated')
        if (key === 'then') return refuse('awaited')
        if (key === 'toJSON') return refuse('made JSON')
        if (typeof key === 'symbol') return undefined
        const part = /^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) : key
        return makeOpenResult({ ...stands, path: [...stands.path, part] })
      },
      apply: () => refuse('called'),
      has: () => refuse('searched'),
      ownKeys: () => refuse('spread or listed'),
      getOwnPropertyDescriptor: () => refuse('searched'),
      set: () => refuse('changed'),
      defineProperty: () => refuse('changed'),
      deleteProperty: () => refuse('changed'),
    },
  )
}

/** @param message describes the code that needs the value */
export function notKnown(message: string): JobsError {
  return new JobsError('RESULT_NOT_KNOWN', message, {
    hint: 'Pass it on in the payload of a later node, and do the rest in handle().',
  })
}
