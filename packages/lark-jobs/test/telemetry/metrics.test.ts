/**
 * The metrics that Prometheus scrapes: the format, the counters, and the dashboard and alert rules that use
 * them.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { RunCounts } from '../../src/model/run/run-counts.ts'
import { metrics, metricsHandler } from '../../src/operate.ts'
import { RisingCounts } from '../../src/telemetry/prometheus/scrape.ts'
import { Application } from '../outbox/application.ts'
import { Bench, Record as Report, sqliteFile } from '../working/bench.ts'

// js-yaml is installed with @changesets/cli.
const yaml = createRequire(import.meta.url)('js-yaml') as { load(text: string): unknown }
const read = (file: string) => readFileSync(new URL(`../../telemetry/${file}`, import.meta.url), 'utf8')

/**
 * Parses the text format of Prometheus. Returns the value of each series, and throws if a line is not in this
 * format.
 */
function parse(text: string): Map<string, number> {
  const series = new Map<string, number>()
  const types = new Map<string, string>()
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE (\w+) (gauge|counter|histogram)$/.exec(line)
    if (type !== null) types.set(type[1]!, type[2]!)
    else if (!/^# HELP \w+ \S.*$/.test(line)) {
      const found = /^(\w+)((?:\{(?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)+\})?) (-?[\d.e+-]+)$/.exec(line)
      if (found === null) throw new Error(`Not the format: ${line}`)
      const [, name, labels, value] = found
      expect(types.has(name!) || types.has(name!.replace(/_(bucket|sum|count)$/, '')), line).toBe(true)
      expect(series.has(name! + labels), `twice: ${line}`).toBe(false)
      series.set(name! + labels, Number(value))
    }
  }
  return series
}

class SentJob extends Job {
  override readonly key = 'say "hi"\\'
  override queueName = 'emails'
  override tries = 1
  handle({ fails }: { fails: boolean }) {
    if (fails) throw new Error('no')
  }
}

test('each process returns the counts of all processes, including those that have ended', async () => {
  await using bench = await Bench.make(sqliteFile)
  const worked = bench.client()
  const report = new Report()
  const ended = report.ends(3)
  for (const fails of [false, false, true]) await worked.dispatch(new SentJob(), { fails })
  const worker = await bench.work([SentJob], { report }, worked)
  await ended
  await worker.stop()
  const other = bench.client({ queues: { emails: { target: '30s' }, low: {} } })
  await bench.jobs.dispatch(new SentJob(), { fails: false })
  const response = await metricsHandler(other)()
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const series = parse(await response.text())
  const labels = 'queue="emails",key="say \\"hi\\"\\\\"'
  expect(series.get(`lark_jobs_runs_total{${labels},outcome="completed"}`)).toBe(2)
  expect(series.get(`lark_jobs_runs_total{${labels},outcome="failed"}`)).toBe(1)
  for (const name of ['wait', 'process']) {
    const of = (end: string) => series.get(`lark_jobs_${name}_seconds_${end}`)!
    expect(of(`count{${labels}}`)).toBe(3)
    expect(of(`bucket{${labels},le="+Inf"}`)).toBe(3)
    expect(of(`sum{${labels}}`)).toBeGreaterThan(0)
    const buckets = [...series].filter(([key]) => key.startsWith(`lark_jobs_${name}_seconds_bucket`))
    const counts = buckets.map(([, value]) => value)
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
  }
  for (const name of ['wait', 'process']) {
    const quantiles = ['0.5', '0.95', '0.99'].map((quantile) =>
      series.get(`lark_jobs_${name}_quantile_seconds{queue="emails",quantile="${quantile}"}`),
    )
    expect(quantiles).toEqual(Array(3).fill(expect.any(Number)))
    expect(quantiles).toEqual(quantiles.toSorted())
    expect(series.has(`lark_jobs_${name}_quantile_seconds{queue="low",quantile="0.5"}`)).toBe(false)
  }
  expect(series.get('lark_jobs_stored{queue="emails",state="waiting"}')).toBe(1)
  expect(series.get('lark_jobs_retrying{queue="emails"}')).toBe(0)
  expect(series.get('lark_jobs_suspended{queue="emails"}')).toBe(0)
  expect(series.get('lark_jobs_oldest_waiting_seconds{queue="emails"}')).toBeGreaterThanOrEqual(0)
  expect(series.get('lark_jobs_oldest_waiting_seconds{queue="low"}')).toBe(0)
  expect(series.get('lark_jobs_target_seconds{queue="emails"}')).toBe(30)
  expect(series.get('lark_jobs_workers{state="running"}')).toBe(0)
  expect(series.get('lark_jobs_store_up')).toBe(1)
})

test('the store is read at most once a second, however many scrapes there are', async () => {
  await using bench = await Bench.make(sqliteFile)
  const { store } = await insideOf(bench.jobs).open()
  const looks = vi.spyOn(store, 'standings')
  const texts = await Promise.all(Array.from({ length: 20 }, () => metrics(bench.jobs)))
  expect(new Set(texts).size).toBe(1)
  // The second call is made by the doctor, whose findings are kept for longer.
  expect(looks).toHaveBeenCalledTimes(2)
})

test('if the store does not answer, the metrics say so and contain nothing else', async () => {
  await using bench = await Bench.make(sqliteFile)
  const { store } = await insideOf(bench.jobs).open()
  vi.spyOn(store, 'now').mockRejectedValue(new Error('away'))
  expect([...parse(await metrics(bench.jobs))]).toEqual([['lark_jobs_store_up', 0]])
})

test('the error for a value that is not an instance does not contain the value', async () => {
  const config = { connection: 'redis://:secret@host' } as never
  await expect(metrics(config)).rejects.toMatchObject({ code: 'OPERATE_INVALID' })
  expect(() => metricsHandler(config)).toThrow(expect.objectContaining({ code: 'OPERATE_INVALID' }))
})

test('counters never fall, even if a store has lost its last writes or was emptied', () => {
  const counters = new RisingCounts()
  const look = (completed: number | undefined) => {
    const counts = new RunCounts()
    if (completed !== undefined) counts.ended('completed', completed)
    const past = completed === undefined ? {} : { 'emails a': counts.pack() }
    return counters
      .heard({ runs: { at: 1, workers: [], past, pastReleases: {} } })[0]!
      .counts.ends('completed')
  }
  const seen = [100, 103, 101, 104, undefined, 2, 5].map(look)
  expect(seen).toEqual([100, 103, 103, 106, 106, 106, 109])
})

/** Returns the names of all metrics. */
async function names(): Promise<Set<string>> {
  await using bench = await Bench.make(sqliteFile)
  const { outbox } = new Application()
  const client = bench.client({ queues: { emails: { target: '30s' } }, outbox })
  const report = new Report()
  const ended = report.ends(1)
  await client.dispatch(new SentJob(), { fails: false })
  await (
    await bench.work([SentJob], { report }, client).then(async (worker) => [await ended, worker] as const)
  )[1].stop()
  return new Set([...parse(await metrics(client)).keys()].map((key) => key.replace(/\{.*/s, '')))
}

test('the Grafana dashboard, the alert rules and the manual name only metrics that exist', async () => {
  const known = await names()
  const rules = yaml.load(read('alerts.yml')) as { groups: { rules: { alert: string; expr: string }[] }[] }
  const all = rules.groups.flatMap(({ rules }) => rules)
  expect(all.length).toBeGreaterThan(4)
  for (const { alert, expr } of all) {
    expect(alert).toMatch(/^Lark/)
    expect(mentioned(expr).filter((name) => !known.has(name))).toEqual([])
  }
  const dashboard = JSON.parse(read('grafana.json')) as {
    panels: { title: string; targets: { expr: string }[] }[]
  }
  expect(dashboard.panels.length).toBeGreaterThan(6)
  for (const { targets } of dashboard.panels)
    for (const { expr } of targets) {
      expect(mentioned(expr)).not.toEqual([])
      expect(mentioned(expr).filter((name) => !known.has(name))).toEqual([])
    }
  const page = readFileSync(new URL('../../../../docs/telemetry.md', import.meta.url), 'utf8')
  const described = new Set([...page.matchAll(/^\| `(lark_jobs_\w+)`/gm)].map(([, name]) => name))
  expect(
    [...known].map((name) => name.replace(/_(bucket|sum|count)$/, '')).filter((name) => !described.has(name)),
  ).toEqual([])
  expect([...described].filter((name) => !known.has(name!) && !known.has(`${name}_count`))).toEqual([])
})

function mentioned(expression: string): string[] {
  return [...expression.matchAll(/lark_jobs_\w+/g)].map(([name]) => name)
}
