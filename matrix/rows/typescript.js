// TypeScript: each version in each of its module modes, strict, and with the declarations of the packages checked too
// (`skipLibCheck: false`). The compiled program is then run.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {import('../harness/row.js').Row} Row */

/** The versions of the fixture, the first version with a mode, and the extension that gives the program this mode. */
const versions = ['5.4', '5.9', '6', '7']
const modes = [
  { name: 'node16', extensions: ['mts', 'cts'], options: { module: 'node16' } },
  { name: 'node18', since: '5.9', extensions: ['mts', 'cts'], options: { module: 'node18' } },
  { name: 'node20', since: '5.9', extensions: ['mts', 'cts'], options: { module: 'node20' } },
  { name: 'nodenext', extensions: ['mts', 'cts'], options: { module: 'nodenext' } },
  { name: 'bundler', extensions: ['mts'], options: { module: 'esnext', moduleResolution: 'bundler' } },
  { name: 'preserve', extensions: ['mts'], options: { module: 'preserve' } },
  {
    name: 'commonjs',
    until: '5.9',
    extensions: ['ts'],
    options: { module: 'commonjs', moduleResolution: 'node10' },
  },
  // From version 6 on, node10 is deprecated, and CommonJS can be combined with the resolution of bundlers.
  {
    name: 'commonjs',
    since: '6',
    extensions: ['ts'],
    options: { module: 'commonjs', moduleResolution: 'bundler' },
  },
]

/** @returns {Row} */
const row = (version, mode) => ({
  kind: 'TypeScript',
  name: `TypeScript ${version}, ${mode.name}`,
  fixture: 'typescript',
  version: `typescript-${version}`,
  // The oldest version is the first that does not know what is in a declaration.
  isDaily: version === versions[0] && mode.name === 'nodenext',
  async run(trial) {
    const folder = join(trial.folder, `${version}-${mode.name}`)
    mkdirSync(folder, { recursive: true })
    for (const extension of mode.extensions)
      copyFileSync(join(trial.folder, 'program/typed.ts'), join(folder, `main.${extension}`))
    copyFileSync(join(trial.folder, 'program/lark.config.mjs'), join(folder, 'lark.config.mjs'))
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2022'],
      types: ['node'],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      outDir: 'out',
      rootDir: '.',
      ...mode.options,
    }
    const files = mode.extensions.map((extension) => `main.${extension}`)
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    await trial.tool(`typescript-${version}:tsc`, ['-p', folder])
    for (const extension of mode.extensions) {
      const file = join(folder, 'out', `main.${extension.replace('ts', 'js')}`)
      await trial.works(['node', file], trial.sqlite())
    }
    return mode.extensions
      .map((extension) => (extension === 'mts' ? 'an ES module' : 'a CommonJS module'))
      .join(' and ')
  },
})

const major = (version) => Number(version ?? 0)

export const rows = versions.flatMap((version) =>
  modes
    .filter(
      ({ since, until }) => major(version) >= major(since) && (!until || major(version) <= major(until)),
    )
    .map((mode) => row(version, mode)),
)
