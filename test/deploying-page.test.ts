/**
 * Tests docs/deploying.md without systemd, Kubernetes and Docker: systemd's own checker checks the unit if it
 * is installed, the manifests are read as YAML, and the steps of the Dockerfile are carried out in two
 * folders.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { App } from '../packages/lark-jobs/test/processes/app.ts'
import { blocksOf } from './markdown.ts'
import { read, root } from './source.ts'

// js-yaml has no types of its own.
const { load } = createRequire(import.meta.url)('js-yaml') as { load: (text: string) => Tree }
// biome-ignore lint/suspicious/noExplicitAny: a manifest
type Tree = any

const blocks = blocksOf(read('docs/deploying.md'))
const textOf = (title: string) => blocks.find((block) => block.title === title)!.text

it('the page has a unit that systemd accepts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-unit-'))
  const unit = join(folder, 'shop-worker.service')
  const text = textOf('/etc/systemd/system/shop-worker.service')
  await writeFile(unit, text.replace('/usr/bin/node', process.execPath))
  const { error, stderr } = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })
  await rm(folder, { recursive: true })
  const said = error === undefined ? stderr.split('\n').filter((line) => line.includes('shop-worker')) : []
  expect(said).toEqual([])
  expect(Object.fromEntries(text.split('\n').map((line) => line.split(/=(.*)/)))).toMatchObject({
    Restart: 'always',
    SuccessExitStatus: '75',
    TimeoutStopSec: '180',
    NotifyAccess: 'all',
  })
})

it('the page has Kubernetes manifests that fit together', () => {
  const [compose, worker, long, scaling] = [
    'compose.yaml',
    'worker.yaml',
    'long-jobs.yaml',
    'scaling.yaml',
  ].map((title) => load(textOf(title))) as [Tree, Tree, Tree, Tree]
  expect(compose.services.worker).toMatchObject({ restart: 'always', stop_grace_period: '180s' })
  const { spec } = worker.spec.template
  const [container] = spec.containers
  expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(160)
  expect(worker.spec.template.metadata.labels).toEqual(worker.spec.selector.matchLabels)
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
    expect(container[probe].httpGet.port).toBe(container.ports[0].name)
  expect(container.command.at(-1)).toBe(`${container.ports[0].containerPort}`)
  const patient = long.spec.template.spec
  const [, , wait] = patient.containers[0].lifecycle.preStop.exec.command
  // The grace period must cover the hook and the stop after it.
  expect(patient.terminationGracePeriodSeconds).toBe(Number(/--timeout=(\d+)m/.exec(wait)![1]) * 60 + 180)
  expect(patient.containers[0].name).toBe(container.name)
  expect(scaling.spec.scaleTargetRef.name).toBe(worker.metadata.name)
  expect(read('docs/telemetry.md')).toContain(/lark_\w+/.exec(scaling.spec.triggers[0].metadata.query)![0])
})

/** The files of an application before it is built. */
const source: Record<string, string> = {
  'package-lock.json': '{}',
  'tsconfig.build.json': blocksOf(read('docs/typescript.md')).find(
    ({ title }) => title === 'tsconfig.build.json',
  )!.text,
  'lark.config.ts': `export default { jobs: { queues: ['default' as const] } }`,
  'src/jobs/GreetJob.ts': `import { Job } from '@s18i/lark-jobs'
export class GreetJob extends Job {
  readonly key = 'greet'
  async handle({ name }: { name: string }) {
    this.info(\`Hello, \${name}\`)
  }
}
`,
}

it('the page has a Dockerfile whose steps make a worker that runs, is healthy, and stops', async () => {
  await using app = await App.make(source)
  await mkdir(join(app.folder, 'node_modules/@types'))
  for (const name of ['@types/node', 'undici-types'])
    await symlink(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
  const { folder, command, health, env } = await built(textOf('Dockerfile'), app)

  const own = { ...env, LARK_JOBS_URL: `sqlite:${join(app.folder, 'jobs.db')}` }
  const dispatch = [command[0]!, 'jobs:dispatch', 'greet', '{"name":"Ada"}']
  expect(await app.start(dispatch, folder, own).result).toMatchObject({ code: 0 })
  const any = command.map((word) => word.replace('9090', '127.0.0.1:0'))
  const worker = app.start(any, folder, own)
  let said = ''
  worker.child.stderr!.on('data', (text) => {
    said += text
  })
  await worker.says('Hello, Ada')
  const url = /Answers (http:\S+)\/live/.exec(said)![1]!
  const check = health.slice(1).map((word) => word.replace('http://127.0.0.1:9090', url))
  expect(await app.start(check).result).toMatchObject({ code: 0 })
  worker.child.kill('SIGTERM')
  expect(await worker.result).toMatchObject({ code: 0 })
  expect(await app.start(check).result).toMatchObject({ code: 1 })
})

/**
 * Carries out the steps of the Dockerfile in one folder for each stage. Only `npm ci` and `npm prune` are
 * left out, because the packages are linked.
 */
async function built(dockerfile: string, app: App) {
  const stages: string[] = []
  const env: Record<string, string> = {}
  let command: string[] = []
  let health: string[] = []
  for (const line of dockerfile.replaceAll('\\\n', '').split('\n')) {
    const [, step, rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? []
    const here = join(app.folder, stages.at(-1) ?? '')
    if (step === 'FROM') {
      stages.push(`stage-${stages.length}`)
      await mkdir(join(app.folder, stages.at(-1)!))
    } else if (step === 'COPY') {
      const words = rest.split(' ')
      const isFrom = words[0]!.startsWith('--from=build')
      if (isFrom) words.shift()
      const to = words.pop()!
      for (const file of words) {
        const from = isFrom ? join(app.folder, stages[0]!, file.replace('/app/', '')) : join(app.folder, file)
        const target = to === './' ? join(here, file) : join(here, to)
        await mkdir(dirname(target), { recursive: true })
        await cp(from, target, { recursive: true, verbatimSymlinks: true })
      }
    } else if (step === 'RUN') {
      if (rest === 'npm ci') await cp(join(app.folder, 'node_modules'), join(here, 'node_modules'), verbatim)
      else if (rest !== 'npm prune --omit=dev')
        execFileSync(
          process.execPath,
          rest.replace(/^npx tsc/, join(root, 'node_modules/typescript/bin/tsc')).split(' '),
          {
            cwd: here,
          },
        )
    } else if (step === 'ENV') {
      const [name, value] = rest.split('=') as [string, string]
      env[name] = value
    } else if (step === 'CMD') command = JSON.parse(rest)
    else if (step === 'HEALTHCHECK') health = JSON.parse(/CMD (.*)$/.exec(rest)![1]!)
  }
  // The links that npm makes at installation.
  const folder = stages.at(-1)!
  await mkdir(join(app.folder, folder, 'node_modules/.bin'))
  await symlink('../@s18i/lark/bin/lark.js', join(app.folder, folder, 'node_modules/.bin/lark'))
  return { folder, command, health, env }
}

const verbatim = { recursive: true, verbatimSymlinks: true } as const
