/**
 * Reads from the compiler settings of a project how new files must be written. The tsconfig.json and the
 * files that it extends are read as text, because they may contain comments.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'

export interface CompilerWishes {
  /** The extension of files in the paths of imports. */
  ending: '' | '.js' | '.ts'
  /** Whether a field that overrides a field of a base class needs the word `override`. */
  needsOverride: boolean
  /** Whether the compiler refuses `import` in a package without `"type": "module"`. */
  needsType: boolean
}

export function compilerWishes(folder: string): CompilerWishes {
  const texts = textsOf(join(folder, 'tsconfig.json'))
  const first = (pattern: RegExp) => texts.map((text) => pattern.exec(text)?.[1]).find(Boolean)
  const isOn = (option: string) => first(new RegExp(`"${option}"\\s*:\\s*(true|false)`)) === 'true'
  const resolution = first(/"moduleResolution"\s*:\s*"([^"]+)"/i) ?? first(/"module"\s*:\s*"([^"]+)"/i) ?? ''
  const namesTypeScript = isOn('allowImportingTsExtensions') || isOn('rewriteRelativeImportExtensions')
  const ending = namesTypeScript ? '.ts' : /^node(next|1[68]|2\d)$/i.test(resolution) ? '.js' : ''
  return {
    ending,
    needsOverride: isOn('noImplicitOverride'),
    needsType: ending === '.js' && isOn('verbatimModuleSyntax'),
  }
}

/** The texts of a tsconfig.json and of the files that it extends, the nearest first. */
function textsOf(file: string, depth = 0): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/^\s*\/\/.*$/gm, '')
  } catch {
    return []
  }
  const list = /"extends"\s*:\s*(\[[^\]]*\]|"[^"]*")/.exec(text)?.[1] ?? ''
  const names = [...list.matchAll(/"([^"]*)"/g)].map(([, name]) => name!).reverse()
  return [text, ...(depth < 5 ? names.flatMap((name) => textsOf(extended(name, file), depth + 1)) : [])]
}

function extended(name: string, by: string): string {
  const withEnd = name.endsWith('.json') ? name : `${name}.json`
  if (/^\.{0,2}\//.test(name)) return resolve(dirname(by), withEnd)
  const { resolve: find } = createRequire(by)
  for (const each of [name, withEnd, `${name}/tsconfig.json`]) {
    try {
      const path = find(each)
      if (path.endsWith('.json')) return path
    } catch {
      // The file that a tsconfig.json extends does not exist, or its package is not installed.
    }
  }
  return ''
}
