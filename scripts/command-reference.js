// `npm run reference`: writes docs/command-reference.md from the commands of the built packages. The page has
// each command with its arguments and flags. Build the packages before you run this script. A test compares
// the page with the commands.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
export const path = join(root, 'docs/command-reference.md')

/** The packages with commands, in the order of the page. The commands of the first package have no files. */
const packages = ['lark', 'lark-jobs', 'lark-dashboard', 'lark-bullmq', 'lark-jobs-bench']

const head = `---
title: Command Reference
description: Each built-in command of lark with its arguments and flags, as lark help shows them. Written by a script from the commands.
keywords: [lark, commands, reference, arguments, flags, cli]
---

# Command Reference

Each command with its arguments and flags, in the words of \`lark help\`. [In the terminal](./terminal.md) says which command is for what, and [JSON of the commands](./command-json.md) has what \`--json\` prints. Every command also takes the [flags of all commands](./terminal.md#flags-of-every-command). The script \`npm run reference\` writes this page.
`

/** @returns {string} the text of the page */
export function reference() {
  const commands = listed()
  const sections = packages.map((name) => {
    const own = commands.filter(({ file = 'node_modules/@s18i/lark/' }) => file.includes(`@s18i/${name}/`))
    return [`## @s18i/${name}`, ...own.map(section)].join('\n\n')
  })
  return `${[head.trimEnd(), ...sections].join('\n\n')}\n`
}

/** Returns the output of `lark list --json` in an application that depends on all packages. */
function listed() {
  const folder = mkdtempSync(join(tmpdir(), 'lark-reference-'))
  try {
    mkdirSync(join(folder, 'node_modules/@s18i'), { recursive: true })
    const dependencies = Object.fromEntries(packages.map((name) => [`@s18i/${name}`, '*']))
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', dependencies }))
    for (const name of packages)
      symlinkSync(join(root, 'packages', name), join(folder, 'node_modules/@s18i', name))
    const lark = join(root, 'packages/lark/bin/lark.js')
    const run = spawnSync(process.execPath, [lark, 'list', '--json'], { cwd: folder, encoding: 'utf8' })
    if (run.status !== 0) throw new Error(`lark list --json: ${run.stderr}`)
    return JSON.parse(run.stdout)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function section({ key, description, aliases, arguments: words, flags }) {
  const lines = [`### lark ${key}`, '', `${description}.`]
  if (aliases.length > 0) lines.push('', `Also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`)
  const rows = [...words.map(argumentRow), ...flags.map(flagRow)]
  if (rows.length > 0) lines.push('', '| argument or flag | meaning |', '| --- | --- |', ...rows)
  return lines.join('\n')
}

function argumentRow(argument) {
  const { name, many, required } = argument
  const word = many ? `${name}…` : name
  return row(required ? word : `[${word}]`, argument)
}

function flagRow(flag) {
  const { name, short, type } = flag
  const value = type === 'boolean' ? '' : type === 'number' ? ' NUMBER' : ' TEXT'
  return row(`${short === undefined ? '' : `-${short}, `}${name}${value}`, flag)
}

function row(word, { description, values, default: preset, env, required, type }) {
  const notes = []
  if (values !== undefined) notes.push(`One of: ${values.map((each) => `\`${each}\``).join(', ')}.`)
  if (preset !== undefined && type !== 'boolean') notes.push(`Default: \`${preset}\`.`)
  if (env !== undefined) notes.push(`Or the variable \`${env}\`.`)
  if (required && word.includes('--')) notes.push('Required.')
  const text = [`${description}.`, ...notes].join(' ').replaceAll('|', '\\|')
  return `| \`${word}\` | ${text} |`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, reference())
