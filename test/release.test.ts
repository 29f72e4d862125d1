/**
 * Makes a release as the workflow does, into a registry on this machine. Tests the next versions and their
 * changelogs, the published packages, and a clean folder that installs them by name and carries out the
 * README.
 */
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Registry } from './registry.ts'
import { read, root } from './source.ts'

const names = ['lark', 'lark-jobs', 'lark-bullmq', 'lark-jobs-bench', 'lark-dashboard']
const { version } = JSON.parse(read('packages/lark/package.json'))
// The package is installed with @changesets/cli.
const yaml = createRequire(import.meta.url)('js-yaml') as { load(text: string): unknown }
const workflow = yaml.load(read('.github/workflows/release.yml')) as Workflow

interface Workflow {
  jobs: Record<
    string,
    {
      permissions: object
      steps: { uses?: string; run?: string; with?: Record<string, unknown>; env?: Record<string, unknown> }[]
    }
  >
}

const folder = mkdtempSync(join(tmpdir(), 'lark-release-'))
let registry: Registry
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  registry = await Registry.start()
  const settings = join(folder, 'npmrc')
  writeFileSync(settings, `registry=${registry.url}\n${registry.url.replace('http:', '')}:_authToken=test\n`)
  const home = { NPM_CONFIG_USERCONFIG: settings, NPM_CONFIG_CACHE: join(folder, 'cache') }
  // `changeset publish` knows the registry only by this variable.
  const own = { npm_config_registry: registry.url }
  env = {
    ...process.env,
    ...home,
    ...own,
    NPM_CONFIG_AUDIT: 'false',
    NPM_CONFIG_FUND: 'false',
    CI: undefined,
  }
})

afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Copies the files that a release reads and writes. @param built whether to copy the published files, too */
function clone(name: string, { built = false } = {}): string {
  const copy = join(folder, name)
  mkdirSync(join(copy, 'packages'), { recursive: true })
  const { name: own, private: isPrivate, type, scripts } = JSON.parse(read('package.json'))
  writeFileSync(
    join(copy, 'package.json'),
    JSON.stringify({ name: own, private: isPrivate, type, scripts, workspaces: ['packages/*'] }),
  )
  for (const file of ['config.json', 'changelog.cjs'])
    cpSync(join(root, '.changeset', file), join(copy, '.changeset', file))
  for (const each of names) {
    const { files } = JSON.parse(read(`packages/${each}/package.json`))
    for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', ...(built ? files : [])])
      cpSync(join(root, 'packages', each, file), join(copy, 'packages', each, file), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

async function run(cwd: string, command: string, ...words: string[]) {
  return promisify(execFile)(command, words, { cwd, env, maxBuffer: 2 ** 26 })
}

const manifest = (copy: string, name: string) =>
  JSON.parse(readFileSync(join(copy, 'packages', name, 'package.json'), 'utf8'))

describe('the next version', () => {
  const [major, minor, patch] = version.split('.').map(Number)

  test.each([
    ['patch', `${major}.${minor}.${patch + 1}`, 'Jobs may be blue.'],
    ['minor', `${major}.${minor + 1}.0`, 'Jobs are blue.\n\nUpgrade: say `colour = "red"`.'],
  ])(
    'after a changeset of the kind %s is %s for all packages, and the changelog has the text of the changeset',
    async (bump, next, text) => {
      const copy = clone(bump)
      await run(copy, 'git', 'init', '-q')
      writeFileSync(join(copy, '.changeset/blue.md'), `---\n'@s18i/lark-jobs': ${bump}\n---\n\n${text}\n`)
      await run(copy, process.execPath, join(root, 'scripts/version.js'))
      const all = names.map((name) => manifest(copy, name))
      expect(all.map((each) => each.version)).toEqual(names.map(() => next))
      const needed = all.flatMap(({ dependencies, peerDependencies }) =>
        Object.entries({ ...dependencies, ...peerDependencies }).filter(([name]) =>
          name.startsWith('@s18i/'),
        ),
      )
      expect(needed.length).toBeGreaterThan(5)
      expect([...new Set(needed.map(([, range]) => range))]).toEqual([`^${next}`])
      const [title, first] = readFileSync(join(copy, 'packages/lark-jobs/CHANGELOG.md'), 'utf8').split(
        /^## /m,
      )
      expect(title).toBe('# @s18i/lark-jobs\n\n')
      expect(first).toContain(next)
      for (const line of text.split('\n')) expect(first).toContain(line)
      expect(first).not.toContain('@s18i/')
    },
  )
})

test('there is no changeset before the first release, and its changelog describes the features', async () => {
  const copy = clone('unpublished')
  writeFileSync(join(copy, '.changeset/blue.md'), "---\n'@s18i/lark-jobs': patch\n---\n\nJobs may be blue.\n")
  mkdirSync(join(copy, 'docs'))
  writeFileSync(join(copy, 'docs/versions.md'), '## Until It Is on npm\n')
  const made = run(copy, process.execPath, join(root, 'scripts/version.js'))
  await expect(made).rejects.toThrow(/0\.1\.0 is not published/)
  expect(names.map((name) => manifest(copy, name).version)).toEqual(names.map(() => version))
})

test('each changeset says what users must do if they must do something', () => {
  const files = readdirSync(join(root, '.changeset')).filter((name) => /(?<!README)\.md$/.test(name))
  for (const file of files) {
    const text = read(`.changeset/${file}`)
    const bumps = [...text.matchAll(/^'@s18i\/[\w-]+': (\w+)$/gm)].map(([, bump]) => bump)
    expect(bumps.length, file).toBeGreaterThan(0)
    expect(bumps, file).not.toContain('major')
    expect(/^Upgrade: /m.test(text), file).toBe(bumps.includes('minor'))
  }
})

test('the changelog of each package has its version', () => {
  for (const name of names)
    expect(read(`packages/${name}/CHANGELOG.md`)).toMatch(`# @s18i/${name}\n\n## ${version}\n`)
})

describe('the workflow', () => {
  const { release } = workflow.jobs

  test('names each action by its commit, and only scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json'))
    const steps = Object.values(workflow.jobs).flatMap((job) => job.steps)
    for (const { uses } of steps)
      if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
    const commands = steps.flatMap(({ run, with: { version, publish } = {} }) => [run, version, publish])
    const called = commands.flatMap((line) =>
      (/^npm (?:run )?(build|test|version|release)$/.exec(`${line}`) ?? []).slice(1),
    )
    expect(called).toEqual(['test', 'build', 'version', 'release'])
    expect(called.filter((name) => scripts[name] === undefined)).toEqual([])
    // A release must not be published if docs/compatibility.md was made with other code.
    expect(scripts.release).toBe('node scripts/matrix.js --check && changeset publish')
  })

  test('has the permission to prove the origin of the packages, and uses it', () => {
    expect(release!.permissions).toMatchObject({ 'id-token': 'write' })
    const { env } = release!.steps.find(({ uses }) => uses?.startsWith('changesets/action'))!
    expect(env).toMatchObject({ NPM_CONFIG_PROVENANCE: true, NPM_CONFIG_IGNORE_SCRIPTS: true })
  })
})

describe('a release', () => {
  test('is refused by npm without a proof of its origin', async () => {
    const copy = clone('unproved')
    const published = run(join(copy, 'packages/lark'), 'npm', 'publish', '--ignore-scripts', '--tag', 'test')
    await expect(published).rejects.toThrow(/provenance/)
    expect(registry.published.size).toBe(0)
  })

  test('publishes five packages, which a clean folder installs by name, and whose README is right', async () => {
    const copy = clone('published', { built: true })
    for (const name of names) {
      const text = manifest(copy, name)
      expect(text.publishConfig).toEqual({ access: 'public', provenance: true })
      text.publishConfig.provenance = false
      // The packages must never go to npm itself, whatever the settings of this machine are.
      text.publishConfig.registry = registry.url
      writeFileSync(join(copy, 'packages', name, 'package.json'), JSON.stringify(text))
    }
    env.NPM_CONFIG_IGNORE_SCRIPTS = 'true'
    await run(copy, process.execPath, 'node_modules/@changesets/cli/bin.js', 'publish', '--no-git-tag')
    expect([...registry.published.keys()].sort()).toEqual(names.map((name) => `@s18i/${name}`).sort())
    for (const each of registry.published.values()) {
      expect(each).toMatchObject({ access: 'public', 'dist-tags': { latest: version } })
      const tarball = Buffer.from(Object.values(each._attachments)[0]!.data, 'base64')
      const file = join(folder, 'published.tgz')
      writeFileSync(file, tarball)
      const { stdout } = await run(folder, 'tar', '-tzf', file)
      for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md'])
        expect(stdout.split('\n'), each.name).toContain(`package/${name}`)
    }

    const project = join(folder, 'shop')
    mkdirSync(project)
    // Runs the lines of README.md. The test in it needs a tool that is not installed here; the matrix runs
    // that test.
    const installs = [...read('README.md').matchAll(/^npm install (@s18i.*)$/gm)].map(([, what]) => what!)
    expect(installs).toEqual(['@s18i/lark @s18i/lark-jobs', '@s18i/lark-dashboard'])
    await run(project, 'npm', 'install', ...installs[0]!.split(' '))
    const lark = join('node_modules', '.bin', 'lark')
    await run(project, lark, 'init')
    const welcomed = await run(project, lark, 'welcome', 'user@example.com')
    expect(welcomed.stdout + welcomed.stderr).toContain('Queued a welcome to user@example.com')
    const worked = await run(project, lark, 'jobs:work', '--stop-when-empty')
    expect(worked.stdout + worked.stderr).toContain('Sending "Welcome!" to user@example.com')
    expect(existsSync(join(project, '.lark/jobs.db'))).toBe(true)
    await run(project, 'npm', 'install', installs[1]!)
    expect((await run(project, lark, 'help', 'jobs:dashboard')).stdout).toContain('--port')
  }, 300_000)
})
