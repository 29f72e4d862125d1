/** Changes a flow, and writes one line to the journal before the change and one line with its answer. */
import { name, write } from './journal.js'

let count = 0

/**
 * @param {'cancel' | 'retry' | 'add'} act
 * @param {string} flow the id of the flow
 * @param {object} added the added jobs: `nodes`, or `stem` and `count` (`Touch`)
 * @param {() => Promise<unknown>} does makes the change, and resolves to `false` if nothing was changed
 * @returns {Promise<'done' | 'nothing' | 'refused' | 'uncertain' | 'odd'>} what the answer was
 */
export async function touch(act, flow, added, does) {
  const id = `${name}!${++count}`
  write('touched', { touch: id, flow, act, ...added })
  try {
    const what = (await does()) === false ? 'nothing' : 'done'
    write(`touch ${what}`, { touch: id })
    return what
  } catch (error) {
    const { code, message } = error
    const what = failureOf(code)
    write(`touch ${what}`, { touch: id, code, message })
    return what
  }
}

function failureOf(code) {
  switch (code) {
    // The flow has ended, is ending, or does not exist yet.
    case 'FLOW_ENDED':
    case 'FLOW_ENDING':
    case 'FLOW_NOT_FOUND':
      return 'nothing'
    case 'STORE_UNREACHABLE':
    case 'STORE_REFUSED':
      return 'refused'
    case 'DISPATCH_UNCERTAIN':
    case 'STORE_UNCERTAIN':
      return 'uncertain'
    default:
      return 'odd'
  }
}
