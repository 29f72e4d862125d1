/**
 * The problems that each alarm (doctor, metrics, monitor, health check) must show: errors of queues, and
 * schedules that are late or paused.
 */

import { expect, test } from 'vitest'
import { remarksOn, remarksOnAlarms } from '../../src/commands/look/queue-remarks.ts'
import { every, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { MonitorOptions } from '../../src/operate/doctor/monitor.ts'
import { bookOf } from '../../src/operate/schedules/schedule-info.ts'
import { metrics, operate } from '../../src/operate.ts'
import { answerOfStore } from '../../src/telemetry/health/endpoints.ts'
import { levelsOf } from '../../src/telemetry/levels.ts'
import { Bench, type Connect, Record } from './bench.ts'

const HOUR = 3_600_000

class TickJob extends Job {
  override readonly key = 'tick'
  handle() {}
}

class MisspeltJob extends Job {
  override queueName = 'emials'
  handle() {}
}

class BrokenJob extends Job {
  override readonly key = 'broken'
  override tries = 1
  handle() {
    throw new Error('no')
  }
}

/**
 * The answers of all alarms. Each call uses a new client, because readings of the store are shared for some
 * seconds.
 */
export async function alarmsOf(bench: Bench) {
  const jobs = bench.client()
  const status = await operate(jobs).status()
  const { ok, findings } = await operate(jobs).monitor({ maxAge: '1h' })
  const { alarms } = status
  const named = new Set(findings.map(({ code, level, subject }) => `${code} ${level} ${subject}`))
  expect([...named]).toEqual(
    expect.arrayContaining(alarms.map(({ code, level, subject }) => `${code} ${level} ${subject}`)),
  )
  const text = await metrics(jobs)
  const { storeErrors, schedules } = await levelsOf(insideOf(jobs))
  return {
    alarms: alarms.map(({ code, level }) => `${level} ${code}`),
    remarks: [...remarksOnAlarms(status.alarms)].map(({ kind, text }) => `${kind}: ${text}`),
    monitor: ok,
    slo: await answerOfStore('/slo', insideOf(jobs)),
    gauges: [...text.matchAll(/^lark_jobs_((?:store_errors|schedules_)\S+) ([1-9]\d*)$/gm)].map(
      ([, name, value]) => `${name} ${value}`,
    ),
    levels: { errors: [...storeErrors].filter(([, count]) => count > 0).map(([code]) => code), ...schedules },
  }
}

export function alarming(connect: Connect) {
  test('the metrics count the findings of the doctor, and an error of the doctor makes the monitor fail', async () => {
    await using bench = await Bench.make(connect)
    const found = async () => {
      const jobs = bench.client()
      const { ok, findings } = await operate(jobs).monitor({ maxAge: { default: '1h' } })
      const text = await metrics(jobs)
      const levels = await levelsOf(insideOf(jobs))
      const gauges = text.matchAll(/^lark_jobs_findings\{code="(queue-.+)",severity="(.+)"\} ([1-9])$/gm)
      const counted = [...gauges].map(([, code, severity, count]) => `${count} ${severity} ${code}`)
      const named = levels.findings.filter(({ code, count }) => code.startsWith('queue-') && count > 0)
      expect(named.map(({ code, severity, count }) => `${count} ${severity} ${code}`)).toEqual(counted)
      const errors = findings.filter(({ level }) => level === 'error')
      const { text: slo } = await answerOfStore('/slo', insideOf(jobs))
      const all = errors.map(({ code, subject }) => `${code} ${subject}`)
      return { ok, errors: all, slo, counted: counted.sort() }
    }
    const others = '2 warning queue-served'
    const well = { ok: true, errors: [], slo: 'ok\n' }
    expect(await found()).toEqual({ ...well, counted: ['3 warning queue-served'] })
    // Jobs in a misspelled queue, which has neither a worker nor a limit.
    await bench.client({ queues: ['emials'] }).dispatch(new MisspeltJob())
    expect(await found()).toEqual({
      ...{ ok: false, errors: ['queue-served emials'], slo: 'emials: jobs wait, and no worker serves it\n' },
      counted: ['1 error queue-served', '1 warning queue-configured', '3 warning queue-served'],
    })
    // In this queue, the limit decides how long a job may wait.
    await bench.jobs.move({ queue: 'emials' }, 'default')
    const waiting = 'default: jobs wait, and no worker serves it\n'
    expect(await found()).toEqual({ ...well, slo: waiting, counted: ['1 error queue-served', others] })
  })

  test('if most jobs of a queue fail, every alarm reports an error', async () => {
    await using bench = await Bench.make(connect)
    const said = async (options: MonitorOptions = { maxAge: '1h' }) => {
      const jobs = bench.client()
      const [{ queues }, { ok, findings }] = [
        await operate(jobs).status(),
        await operate(jobs).monitor(options),
      ]
      const failing = findings.filter(({ code }) => code === 'failing-jobs')
      return {
        remarks: [...remarksOn({ queues, workers: [] })].flatMap(({ text }) =>
          /failed/.test(text) ? text : [],
        ),
        monitor: { ok, failing: failing.map(({ level, subject, text }) => `${level} ${subject} ${text}`) },
        slo: await answerOfStore('/slo', insideOf(jobs)),
        errors: /^lark_jobs_findings\{code="failing-jobs",severity="error"\} (.+)/m.exec(
          await metrics(jobs),
        )?.[1],
      }
    }
    const fail = async (count: number) => {
      const report = new Record()
      const worker = await bench.work([BrokenJob], { report })
      await bench.jobs.dispatch(Array.from({ length: count }, () => new BrokenJob().with()))
      await report.ends(count)
      await worker.stop()
    }
    const well = {
      ...{ remarks: [], monitor: { ok: true, failing: [] }, errors: '0' },
      slo: { status: 200, text: 'ok\n' },
    }
    await fail(9)
    expect(await said()).toEqual(well)
    await fail(1)
    const text = '10 of 10 jobs failed within 5 minutes'
    const ill = {
      remarks: [`default: ${text}: see lark jobs:failed --group --queue=default`],
      slo: { status: 503, text: `default: ${text}\n` },
      errors: '1',
    }
    expect(await said()).toEqual({ ...ill, monitor: { ok: false, failing: [`error default ${text}`] } })
    // A limit decides how many failures are too many.
    const monitor = { ok: true, failing: [`warning default ${text}`] }
    expect(await said({ maxFailed: 10 })).toEqual({ ...ill, monitor })
  })

  test('every alarm reports an error for a late schedule until it ticks, and only names a paused schedule', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const none = { errors: [], late: 0, paused: 0 }
    const well = {
      ...{ alarms: [], remarks: [], monitor: true, gauges: [], levels: none },
      slo: { status: 200, text: 'ok\n' },
    }
    await jobs.schedules.set('hourly', TickJob.with(), every('1h'))
    expect(await alarmsOf(bench)).toEqual(well)
    const late = async () =>
      bookOf(await insideOf(jobs).open()).change('hourly', ({ at, state }) => ({
        state: { ...state, next: at - HOUR },
      }))
    await late()
    const text = 'has not ticked for 1 h after it was due: no worker lives'
    expect(await alarmsOf(bench)).toEqual({
      alarms: ['error schedule-late'],
      remarks: ['warn: hourly has not ticked when it was due: lark jobs:doctor'],
      monitor: false,
      slo: { status: 503, text: `hourly: ${text}\n` },
      gauges: ['schedules_late 1'],
      levels: { ...none, late: 1 },
    })
    await jobs.schedules.pause('hourly')
    const paused = {
      alarms: ['warning schedule-paused'],
      remarks: ['info: hourly is paused, and does not tick: lark schedule:list'],
      gauges: ['schedules_paused 1'],
      levels: { ...none, paused: 1 },
    }
    expect(await alarmsOf(bench)).toEqual({ ...well, ...paused })
    await jobs.schedules.resume('hourly')
    expect(await alarmsOf(bench)).toEqual(well)
  })
}
