/**
 * The built package in a folder outside of the repository, with or without `libsql`, and programs that use
 * the package there. The programs find only those parts of the repository that are linked into the folder.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const packages = fileURLToPath(new URL('../../../', import.meta.url))
const modules = fileURLToPath(new URL('../../../../node_modules/', import.meta.url))

/**
 * `binary`: the package with its binary. `package`: the package without a binary, as on a platform that has
 * none.
 */
export type Libsql = 'binary' | 'package' | 'none'

export interface Outcome {
  stdout: string
  stderr: string
}

export class Installation implements AsyncDisposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(libsql: Libsql): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'lark-installation-'))
    const into = join(folder, 'node_modules')
    const own = join(into, '@s18i/lark-jobs')
    await mkdir(own, { recursive: true })
    for (const part of ['package.json', 'dist'])
      await cp(join(packages, 'lark-jobs', part), join(own, part), { recursive: true })
    await symlink(join(packages, 'lark'), join(into, '@s18i/lark'))
    await symlink(join(modules, 'croner'), join(into, 'croner'))
    if (libsql === 'binary') await symlink(join(modules, 'libsql'), join(into, 'libsql'))
    if (libsql === 'package') {
      await cp(join(modules, 'libsql'), join(into, 'libsql'), { recursive: true })
      await symlink(join(modules, '@neon-rs'), join(into, '@neon-rs'))
      await symlink(join(modules, 'detect-libc'), join(into, 'detect-libc'))
    }
    return new Installation(folder)
  }

  get connection(): string {
    return `sqlite:${join(this.folder, 'jobs.db')}`
  }

  /**
   * Runs a program. @param body the text of the program, which may use the imports below @param node the path
   * of the Node that runs it
   */
  async run(body: string, node = process.execPath, ...flags: string[]): Promise<Outcome> {
    const file = join(this.folder, 'main.mjs')
    await writeFile(file, `${head}\n${body}`)
    const env = { ...process.env, NODE_OPTIONS: '' }
    return promisify(execFile)(node, [...flags, file], { cwd: this.folder, env, timeout: 60_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true })
  }
}

const head = `
import { createRequire } from 'node:module'
import { setEnvironmentData, Worker } from 'node:worker_threads'
import { createJobs, Job } from '@s18i/lark-jobs'

class CountJob extends Job {
  static runs = 0
  static ran = () => {}
  async handle() {
    CountJob.runs++
    CountJob.ran()
  }
}

/** Dispatches this many jobs and runs them. */
async function use(connection, count = 20) {
  const jobs = createJobs({ connection })
  const all = new Promise((resolve) => {
    CountJob.ran = () => CountJob.runs >= count && resolve()
  })
  const said = []
  const warn = (text) => said.push(text)
  const worker = await jobs.work({ jobs: [CountJob], report: { wrote() {}, ended() {}, warn, info() {} } })
  for (let n = 0; n < count; n++) await jobs.dispatch(new CountJob(), { n })
  await all
  await worker.stop()
  await jobs.close()
  return { runs: CountJob.runs, said }
}

/** Returns the SQLite libraries that this process, or this thread, has loaded. */
function loaded() {
  process.report.excludeNetwork = true
  const isLibsql = process.report.getReport().sharedObjects.some((path) => path.includes('libsql'))
  const isNode = process.moduleLoadList.some((name) => name.endsWith('Binding sqlite'))
  return [...(isLibsql ? ['libsql'] : []), ...(isNode ? ['node:sqlite'] : [])]
}
`
