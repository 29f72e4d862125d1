/** Runs each measure of `npm run bench` once, with Lark alone and at a thousandth of the normal scale. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

process.env.LARK_BENCH_SCALE = '0.001'
const [{ all }, { load }, { Measurement }, { Probe, startRedis }, { Stage }] = await Promise.all([
  import('../bench/measures/index.js'),
  import('../bench/peers/index.js'),
  import('../bench/measurement.js'),
  import('../bench/redis.js'),
  import('../bench/stage.js'),
])
const folder = mkdtempSync(join(tmpdir(), 'lark-bench-'))
let server: Awaited<ReturnType<typeof startRedis>>
let probe: Awaited<ReturnType<typeof Probe.open>>
beforeAll(async () => {
  // PostgreSQL refuses to run as root. The user that runs the server must be able to reach its folder.
  if (process.getuid?.() === 0) chmodSync(tmpdir(), 0o711)
  server = await startRedis()
  probe = await Probe.open(server.url)
})
afterAll(() => {
  probe.close()
  server.kill()
  rmSync(folder, { recursive: true })
})

interface Measure {
  name: string
  peers: string[]
  rows: { metric: string }[]
  run(stage: object): Promise<Record<string, number>>
}

for (const measure of all as Measure[])
  for (const name of measure.peers.filter((name) => name.startsWith('lark')))
    test(`${measure.name}, ${name}`, async () => {
      const peer = await load(name)
      const amount = { seconds: 0.02, samples: 2 }
      const context = { places: { redis: server.url }, folder, probe, amount }
      // The measures run in this process, because starting a process takes longer than most measures at this
      // scale.
      const metrics = await new Measurement(measure, name, peer, context).run(async (task) => {
        const stage = await Stage.make(task)
        try {
          return await measure.run(stage)
        } finally {
          await stage.close()
        }
      })
      // The embedded store has no figures for Redis.
      const rows = measure.rows.filter(({ metric }) => metric !== 'redis' || peer.store === 'redis')
      for (const { metric } of rows) expect(metrics).toHaveProperty(metric, expect.any(Number))
    })
