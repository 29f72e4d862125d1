import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { App, bin, command, packageFolder, version } from './app.ts'

const app = new App({
  'lark.config.js': "throw new Error('the configuration was imported')",
  'commands/loud.js': `console.log('a command was imported')\n${command('Loud', 'loud')}`,
  // Prints the path of every module that Node is asked to load.
  'trace.mjs': `import { register } from 'node:module'
register('data:text/javascript,' + encodeURIComponent(\`
  import { writeSync } from 'node:fs'
  export async function load(url, context, next) {
    if (url.startsWith('file:')) writeSync(2, url + '\\\\n')
    return next(url, context)
  }
\`))
`,
})

async function modulesOf(...words: string[]) {
  const { code, stderr } = await app.node(['--import', './trace.mjs', bin, ...words])
  expect(code).toBe(0)
  return stderr
    .trim()
    .split('\n')
    .map((url) => basename(url))
    .filter((name) => name !== 'trace.mjs')
    .sort()
}

test.each(['--help', '--version'])(
  'lark %s loads only the files of the program and of its texts',
  async (flag) => {
    expect(await modulesOf(flag)).toEqual(['bin.js', 'configuration.js', 'program.js'])
  },
)

test('if the cache has all commands, lark list loads five files and no slow module', async () => {
  const listed = new App({
    'package.json': '{"type":"module"}',
    'lark.config.ts': 'export default {}',
    'commands/a.ts': command('A', 'a'),
    'trace.mjs': app.read('trace.mjs'),
    'builtin.cjs': `const before = new Set(process.moduleLoadList)
      process.on('exit', () => {
        const loaded = ['crypto', 'child_process'].filter((name) => {
          const module = 'NativeModule ' + name
          return process.moduleLoadList.includes(module) && !before.has(module)
        })
        process.stderr.write(JSON.stringify(loaded))
      })`,
  })
  await listed.lark('list')
  const { stderr } = await listed.node(['--import', './trace.mjs', bin, 'list'])
  const files = stderr
    .trim()
    .split('\n')
    .map((url) => basename(url))
  expect(files.sort()).toEqual(['bin.js', 'call.js', 'command.js', 'configuration.js', 'program.js'])
  expect((await listed.node(['--require', './builtin.cjs', bin, 'list'])).stderr).toBe('[]')
})

test('the file that npm links as `lark` is the program', async () => {
  const { stdout } = await app.node([join(packageFolder, 'bin/lark.js'), '--version'])
  expect(stdout).toBe(`@s18i/lark ${version}\n`)
})
