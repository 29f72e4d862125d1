/** Lark runs no code of other users, because files in a parent folder may belong to anybody. */
import { chmodSync, lchownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { findConfig, homeFolder } from '../src/config.ts'
import { larkPackages } from '../src/project/packages.ts'
import { projectFolders } from '../src/project/project.ts'
import { App, bin } from './app.ts'

const NOBODY = 65_534

/**
 * Makes an application in a folder without a repository, as in a container or in /tmp. So Lark also looks at
 * the folders above.
 */
function bare(files: Record<string, string>): App {
  const app = new App(files)
  rmSync(app.path('.git'), { recursive: true })
  rmSync(app.path('package.json'))
  app.write(files)
  return app
}

/**
 * Gives a file to another user. Only root can do this. Without root, the process pretends to be another user
 * instead.
 * @returns the user that `as` pretends to be
 */
function giveAway(path: string): { user: number } {
  const user = process.getuid!()
  if (user !== 0) return { user: NOBODY }
  lchownSync(path, NOBODY, NOBODY)
  return { user }
}

/** @param user the user that the process pretends to be */
function as<T>({ user }: { user: number }, act: () => T): T {
  const { getuid, argv } = process
  process.getuid = () => user
  process.argv = [argv[0]!]
  try {
    return act()
  } finally {
    process.getuid = getuid!
    process.argv = argv
  }
}

const foreign = (file: string) =>
  expect.objectContaining({
    code: 'CONFIG_FOREIGN',
    message: expect.stringMatching(
      `^${file} belongs to another user \\(uid \\d+\\), and its code is not run$`,
    ),
  })
const at = (cwd: string) => ({ env: {}, entry: undefined, cwd })

test('without a repository or a workspace, the project ends at the nearest package.json', () => {
  const app = bare({
    'lark.config.js': '',
    'package.json': '{"name":"outer"}',
    'inner/package.json': '{"name":"inner"}',
    'inner/src/x.js': '',
    'built/dist/package.json': '{"type":"commonjs"}',
    'built/dist/x.js': '',
  })
  expect(findConfig(at(app.path('inner/src')))).toBeUndefined()
  expect(projectFolders(app.path('inner/src'))).toEqual([app.path('inner/src'), app.path('inner')])
  // This package.json contains only the `type` of built files. The package itself is in the folder above.
  expect(findConfig(at(app.path('built/dist')))).toBe(app.path('lark.config.js'))
  mkdirSync(app.path('.git'))
  expect(findConfig(at(app.path('inner/src')))).toBe(app.path('lark.config.js'))
})

test('without any package.json, Lark looks only at the first folder', () => {
  const app = bare({ 'lark.config.js': '', 'inner/x.js': '' })
  expect(findConfig(at(app.path('inner')))).toBeUndefined()
  expect(findConfig(at(app.folder))).toBe(app.path('lark.config.js'))
  expect(homeFolder(at(app.path('inner')))).toBe(app.path('inner'))
})

test('a configuration of another user is refused, unless LARK_CONFIG names it', () => {
  const app = new App({ 'lark.config.js': '' })
  const file = app.path('lark.config.js')
  const other = giveAway(file)
  as(other, () => {
    expect(() => findConfig(at(app.folder))).toThrow(foreign(file))
    expect(findConfig({ ...at(app.folder), env: { LARK_CONFIG: file } })).toBe(file)
  })
})

test('a symbolic link of another user is refused, too', () => {
  const app = new App({ 'real.js': '' })
  const link = app.path('lark.config.js')
  symlinkSync(app.path('real.js'), link)
  const other = giveAway(link)
  as(other, () => expect(() => findConfig(at(app.folder))).toThrow(foreign(link)))
})

test('a package.json, and a package with commands, are refused if they belong to another user', () => {
  const commands = '{"name":"evil","lark":{"commands":"./commands"}}'
  const app = new App({
    'package.json': '{"dependencies":{"evil":"1"}}',
    'node_modules/evil/package.json': commands,
  })
  expect(larkPackages([app.folder]).map(({ name }) => name)).toContain('evil')
  const file = app.path('node_modules/evil/package.json')
  as(giveAway(file), () => expect(() => larkPackages([app.folder])).toThrow(foreign(file)))
  const home = app.path('package.json')
  as(giveAway(home), () => expect(() => homeFolder(at(app.folder))).toThrow(foreign(home)))
})

test('Lark runs files of the owner of the started script, because the script itself already runs', () => {
  const app = new App({ 'lark.config.js': '', 'start.js': '' })
  const other = giveAway(app.path('lark.config.js'))
  giveAway(app.path('start.js'))
  as(other, () => {
    process.argv[1] = app.path('start.js')
    expect(findConfig(at(app.folder))).toBe(app.path('lark.config.js'))
  })
})

test('on Windows, Lark does not check owners', () => {
  const app = new App({ 'lark.config.js': '' })
  giveAway(app.path('lark.config.js'))
  const { getuid } = process
  Object.assign(process, { getuid: undefined })
  try {
    expect(findConfig(at(app.folder))).toBe(app.path('lark.config.js'))
  } finally {
    process.getuid = getuid!
  }
})

test('one warning names a folder in which every user can write, even with the sticky bit, and nothing is cached there', async () => {
  const app = new App({
    'lark.config.ts': 'export default {}',
    'probe.mjs': `import { loadConfig } from '@s18i/lark/config'
      await loadConfig()
      await loadConfig()
      console.log('loaded')`,
  })
  expect((await app.node(['probe.mjs'])).stderr).toBe('')
  rmSync(app.path('node_modules/.cache'), { recursive: true })
  chmodSync(app.folder, 0o1777)
  const { stdout, stderr } = await app.node(['probe.mjs'])
  expect(stdout).toBe('loaded\n')
  expect(stderr.match(/LARK_CONFIG_OPEN/g)).toHaveLength(1)
  expect(stderr).toContain(
    `Every user can put files into ${app.folder}, where the code of lark.config.ts is run`,
  )
  expect(() => rmSync(app.path('node_modules/.cache'), { recursive: true })).toThrow('ENOENT')
  chmodSync(app.folder, 0o755)
  chmodSync(app.path('lark.config.ts'), 0o666)
  expect((await app.node(['probe.mjs'])).stderr).toContain(
    `Every user can change ${app.path('lark.config.ts')}, whose code is run`,
  )
})

test('lark prints one line, and runs no code of the other user', async () => {
  const app = new App({ 'lark.config.js': `console.log('RUN')\nexport default {}` })
  const file = app.path('lark.config.js')
  const { user } = giveAway(file)
  app.write({ 'as.mjs': `process.getuid = () => ${user}\nprocess.argv[1] = ''` })
  const { code, stdout, stderr } = await app.node(['--import', app.path('as.mjs'), bin, 'list'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.split('\n').slice(0, 2)).toEqual([
    expect.stringMatching(`^✗ ${file} belongs to another user`),
    `  To run it all the same, name it: LARK_CONFIG=${file}`,
  ])
})

test('a file that another user has put into the folder above is not run', async () => {
  const app = bare({
    'lark.config.js': `console.log('RUN')\nexport default {}`,
    'inner/package.json': '{"name":"inner"}',
  })
  const { code, stdout } = await app.node([bin, 'list'], { cwd: app.path('inner') })
  expect(code).toBe(0)
  expect(stdout).not.toContain('RUN')
})
