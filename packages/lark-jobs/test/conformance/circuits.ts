/** Circuit breakers: closed, open and half-open. All workers share the state of a circuit. */
import { expect, test } from 'vitest'
import type { Circuit, CircuitEvent } from '../../src/options/circuit.ts'
import type { Harness, Make } from './harness.ts'

const RULE = { failures: 3, per: 1_000, pause: 5_000 }

let made = 0

function tell(harness: Harness, event: CircuitEvent, name = 'stripe'): Promise<Circuit> {
  return harness.store.limiters.circuit(name, RULE, event)
}

const begins: CircuitEvent = { kind: 'begins' }
const fails = (opening?: number): CircuitEvent => ({ kind: 'failed', id: String(++made), opening })

/**
 * Opens the circuit, and waits until its pause is over. @returns the number of the opening, which the trial
 * job gets
 */
async function opened(harness: Harness): Promise<number> {
  for (let i = 0; i < RULE.failures; i++) await tell(harness, fails())
  harness.clock.advance(RULE.pause)
  const circuit = await tell(harness, begins)
  if (circuit.kind !== 'trial') throw new Error(`expected a trial, not ${circuit.kind}`)
  return circuit.opening
}

export function circuits(make: Make): void {
  test('a circuit opens for its pause after the given number of failures within the given time', async () => {
    await using harness = await make()
    expect(await tell(harness, begins)).toEqual({ kind: 'closed' })
    expect(await tell(harness, fails())).toEqual({ kind: 'closed' })
    expect(await tell(harness, fails())).toEqual({ kind: 'closed' })
    expect(await tell(harness, begins)).toEqual({ kind: 'closed' })
    expect(await tell(harness, fails())).toEqual({ kind: 'open', wait: 5_000 })
    harness.clock.advance(2_000)
    expect(await tell(harness, begins)).toEqual({ kind: 'open', wait: 3_000 })
    expect(await tell(harness, begins, 'other')).toEqual({ kind: 'closed' })
  })

  test('failures that are too far apart do not open a circuit, and each failure counts once', async () => {
    await using harness = await make()
    const first = fails()
    await tell(harness, first)
    await tell(harness, first)
    harness.clock.advance(500)
    await tell(harness, fails())
    await tell(harness, first)
    harness.clock.advance(500)
    expect(await tell(harness, fails())).toEqual({ kind: 'closed' })
    expect(await tell(harness, fails())).toEqual({ kind: 'open', wait: 5_000 })
  })

  test('after the pause, one job runs as a trial; if the trial succeeds, the circuit closes and counts failures from 0', async () => {
    await using harness = await make()
    const opening = await opened(harness)
    expect(await tell(harness, begins)).toEqual({ kind: 'open', wait: 5_000 })
    expect(await tell(harness, { kind: 'passed', opening })).toEqual({ kind: 'closed' })
    expect(await tell(harness, begins)).toEqual({ kind: 'closed' })
    await tell(harness, fails())
    expect(await tell(harness, fails())).toEqual({ kind: 'closed' })
    expect(await tell(harness, fails())).toEqual({ kind: 'open', wait: 5_000 })
  })

  test('if the trial fails, the pause begins again', async () => {
    await using harness = await make()
    const opening = await opened(harness)
    harness.clock.advance(3_000)
    expect(await tell(harness, fails(opening))).toEqual({ kind: 'open', wait: 5_000 })
    harness.clock.advance(4_999)
    expect(await tell(harness, begins)).toEqual({ kind: 'open', wait: 1 })
    harness.clock.advance(1)
    expect(await tell(harness, begins)).toEqual({ kind: 'trial', opening })
  })

  test('if a trial does not report its end, another trial follows, and the first success closes the circuit', async () => {
    await using harness = await make()
    const opening = await opened(harness)
    harness.clock.advance(RULE.pause)
    expect(await tell(harness, begins)).toEqual({ kind: 'trial', opening })
    expect(await tell(harness, { kind: 'passed', opening })).toEqual({ kind: 'closed' })
  })

  test('if a trial ends without success or failure, the next job is the trial at once', async () => {
    await using harness = await make()
    const opening = await opened(harness)
    harness.clock.advance(10)
    expect(await tell(harness, { kind: 'undecided', opening: opening - 1 })).toMatchObject({ wait: 4_990 })
    expect(await tell(harness, { kind: 'undecided', opening })).toEqual({ kind: 'open', wait: 0 })
    expect(await tell(harness, begins)).toEqual({ kind: 'trial', opening })
    expect(await tell(harness, begins)).toEqual({ kind: 'open', wait: 5_000 })
  })

  test('a job that began before the circuit opened, or as a trial of an earlier opening, does not change the circuit', async () => {
    await using harness = await make()
    const earlier = await opened(harness)
    await tell(harness, { kind: 'passed', opening: earlier })
    const opening = await opened(harness)
    expect(opening).toBeGreaterThan(earlier)
    harness.clock.advance(2_000)
    expect(await tell(harness, fails())).toEqual({ kind: 'open', wait: 3_000 })
    expect(await tell(harness, fails(earlier))).toEqual({ kind: 'open', wait: 3_000 })
    expect(await tell(harness, { kind: 'passed', opening: earlier })).toEqual({ kind: 'open', wait: 3_000 })
    expect(await tell(harness, { kind: 'passed', opening })).toEqual({ kind: 'closed' })
    expect(await tell(harness, { kind: 'passed', opening })).toEqual({ kind: 'closed' })
  })

  test('the state of a circuit has the time of its opening and the time of its next trial', async () => {
    await using harness = await make()
    const look = () => harness.store.limiters.look('stripe')
    const none = { holders: [], waits: [] }
    await tell(harness, fails())
    expect(await look()).toEqual(none)
    const opening = await opened(harness)
    expect(await look()).toEqual({
      ...none,
      circuit: { openedAt: opening, trialAt: harness.clock.now + RULE.pause },
    })
    await tell(harness, { kind: 'passed', opening })
    expect(await look()).toEqual(none)
  })
}
