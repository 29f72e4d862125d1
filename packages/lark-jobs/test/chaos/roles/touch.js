/**
 * What somebody does to a flow that was dispatched, by hand or in a job of it, with a line before it and one
 * of the answer.
 */
import { name, write } from './journal.js'

let count = 0

/**
 * @param {'cancel' | 'retry' | 'add'} act
 * @param {string} flow its id
 * @param {object} added what is added: `nodes`, or `stem` and `count` (`Touch`)
 * @param {() => Promise<unknown>} does resolves to `false` if it changed nothing
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
    // It had ended, or ends, or it is not there yet.
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
