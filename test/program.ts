/** Runs the compiler, and starts TypeScript files as a user would, for the tests of the documentation. */
import { execFileSync } from 'node:child_process'
import { mkdir, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { App, type Result } from '../packages/lark-jobs/test/processes/app.ts'
import { root } from './source.ts'

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const runner = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')

/** The tsconfig.json of a new application: strict, for a bundler, with Node's types. */
const tsconfig = JSON.stringify({
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'esnext',
    moduleResolution: 'bundler',
    types: ['node'],
    strict: true,
    allowJs: true,
    checkJs: true,
    noEmit: true,
    skipLibCheck: true,
  },
  exclude: ['node_modules'],
})

/** Packages that docs/web-servers.md needs. */
const servers = ['express', '@types/express', 'fastify', 'hono', '@hono']
/** Packages that docs/transactions.md needs. */
const databases = [
  ...['drizzle-orm', 'knex', 'kysely', '@mikro-orm', 'mysql2', 'pg', '@types/pg', 'postgres'],
  ...['sequelize', 'typeorm', 'typeorm-transactional', '@nestjs', '@nestjs-cls', 'nestjs-cls'],
  'reflect-metadata',
]

export async function makeApp(
  files: Record<string, string>,
  env: Record<string, string | undefined> = {},
): Promise<App> {
  const app = await App.make({ 'tsconfig.json': tsconfig, '.git/HEAD': '', ...files }, env)
  await mkdir(join(app.folder, 'node_modules/@types'))
  for (const name of ['@types/node', ...servers, ...databases])
    await symlink(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
  return app
}

/** Packs the packages into tarballs in `folder`. The build must have run. */
export function packInto(folder: string): string[] {
  const workspaces = ['lark', 'lark-jobs', 'lark-bullmq', 'lark-jobs-bench', 'lark-dashboard'].flatMap(
    (name) => ['-w', `@s18i/${name}`],
  )
  const words = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...workspaces]
  const packed = JSON.parse(execFileSync('npm', words, { cwd: root, encoding: 'utf8' })) as Packed[]
  return packed.map(({ filename }) => join(folder, filename))
}

interface Packed {
  filename: string
}

/**
 * Installs the tarballs of the packages in place of the links. The dependencies of the packages are still
 * those of the workspace.
 */
export async function installPacked(app: App, tarballs: string[]): Promise<void> {
  for (const tarball of tarballs) {
    const name = basename(tarball).replace(/^s18i-(.*?)-\d.*/, '$1')
    const target = join(app.folder, 'node_modules/@s18i', name)
    await rm(target, { force: true })
    await mkdir(target)
    execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', target])
  }
  for (const name of ['jiti', 'libsql', '@redis', 'croner', 'ioredis'])
    await symlink(join(root, 'node_modules', name), join(app.folder, 'node_modules', name))
}

/** Runs the installed program `lark` of the application. */
export function lark(app: App, ...words: string[]): Promise<Result> {
  return app.start([join(app.folder, 'node_modules/@s18i/lark/dist/bin.js'), ...words]).result
}

/** Returns the output of the compiler for the project in `folder`; '' if there are no errors. */
export async function compile(app: App, folder = '.'): Promise<string> {
  const { stdout, stderr, code } = await app.start([compiler, '-p', folder]).result
  return code === 0 ? '' : stdout + stderr
}

/** Runs a script of the application. @param cwd the folder in which it is started, inside the application */
export function runScript(
  app: App,
  file: string,
  cwd = '.',
  env: Record<string, string> = {},
): Promise<Result> {
  return app.start([runner, join(app.folder, file)], cwd, env).result
}
