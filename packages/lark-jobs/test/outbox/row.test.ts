/**
 * How a row of the outbox is read. For an unreadable row, the result contains the reason, and no error is
 * thrown.
 */
import { describe, expect, it } from 'vitest'
import { JobsError } from '../../src/model/errors.ts'
import { decode, MAX_BODY, rowOfFlow, rowOfJob } from '../../src/outbox/row.ts'

const job = { id: '0', key: 'a', payload: '{}' }
const columns = { place: '1', age: 5, tries: 0, error: null, ...rowOfJob('q', job) }
const flow = {
  home: 'q',
  definition: { kind: 'batch' as const, nodes: [], keep: { completed: 1, failed: 1, cancelled: 1 } },
}

describe('a row', () => {
  it('is read as a job, however a driver returns numbers', () => {
    for (const place of [1, 1n, '1']) {
      const read = decode({ ...columns, place, age: '5', tries: '2', form: 1n })
      expect(read).toEqual({ place: '1', id: '0', queue: 'q', age: 5, tries: 2, work: { kind: 'job', job } })
    }
  })

  it('is read as a flow with its members', () => {
    const whole = { ...flow, members: [{ partition: 'q', job: { key: 'a', payload: '1' } }] }
    const read = decode({ ...columns, ...rowOfFlow('f', 'q', whole) })
    expect(read).toMatchObject({ id: 'f', work: { kind: 'flow', flow: whole } })
  })

  it.each([
    ['a later form', { form: 2 }, 'its form is 2, and this version of Lark reads 1'],
    ['no form', { form: null }, 'its form is 0'],
    ['a kind', { kind: 'tick' }, 'its kind is tick'],
    ['an id', { id: 'a\nb' }, 'its id is not the id of a job'],
    ['a queue', { queue: '' }, 'its queue is not the name of a queue'],
    ['no text', { body: null }, 'its body is not a text'],
    ['no JSON', { body: '{"key":' }, 'its body is not a JSON object'],
    ['a list', { body: '[]' }, 'its body is not a JSON object'],
    ['no key', { body: '{"payload":""}' }, 'the field key of its body has a wrong value'],
    ['a delay', { body: '{"key":"a","payload":"","delay":-1}' }, 'the field delay'],
    ['a lock', { body: '{"key":"a","payload":"","lock":"a"}' }, 'the field lock'],
    ['a later field', { body: '{"key":"a","payload":"","color":1}' }, 'its body has the field color'],
    ['a flow without nodes', { kind: 'flow', body: '{"home":"q","definition":{}}' }, 'the field definition'],
  ])('with a wrong %s gives a reason that names it', (_, wrong, why) => {
    const read = decode({ ...columns, ...wrong })
    expect([read.flaw, read.work]).toEqual([expect.stringContaining(why), undefined])
  })

  it('is refused if its flow is too large', () => {
    const members = [{ partition: 'q', job: { key: 'a', payload: 'x'.repeat(MAX_BODY) } }]
    expect(() => rowOfFlow('f', 'q', { ...flow, members })).toThrow(JobsError)
  })
})
