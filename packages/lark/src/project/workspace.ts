/**
 * Finds the packages of a workspace: the folders that are named by `workspaces` in its package.json, or by
 * `packages` in its pnpm-workspace.yaml. A pattern is a path whose segments may contain `*`. `**` stands for
 * any number of folders. A pattern with a leading `!` excludes folders.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { readPackage } from './project.ts'

/** The folders of the packages in a workspace, sorted; empty if `root` is not the root of a workspace. */
export function workspaceFolders(root: string): string[] {
  const patterns = patternsOf(root)
  const taken = patterns.filter((pattern) => !pattern.startsWith('!'))
  const left = patterns
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => regular(pattern.slice(1)))
  const folders = new Set(taken.flatMap((pattern) => matches(root, segmentsOf(pattern))))
  const isLeft = (folder: string) =>
    left.some((each) => each.test(relative(root, folder).replaceAll(sep, '/')))
  return [...folders].filter((folder) => existsSync(join(folder, 'package.json')) && !isLeft(folder)).sort()
}

function patternsOf(root: string): string[] {
  const { workspaces } = readPackage(root) ?? {}
  const named = Array.isArray(workspaces) ? workspaces : (workspaces as { packages?: unknown })?.packages
  const patterns = Array.isArray(named) ? named : pnpmPatterns(root)
  return patterns.filter((pattern) => typeof pattern === 'string')
}

/**
 * The list under `packages:`, with one item on each line or in brackets. Other forms of YAML are not
 * supported, because they do not occur in practice in a pnpm-workspace.yaml.
 */
function pnpmPatterns(root: string): string[] {
  let text: string
  try {
    text = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')
  } catch {
    return []
  }
  const [, inline, lines] =
    /^packages:[ \t]*(?:\[([^\]]*)\]|((?:\s*\n[ \t]*(?:-[^\n]*|#[^\n]*)?)+))/m.exec(text) ?? []
  const items =
    inline?.split(',') ?? lines?.split('\n').flatMap((line) => /^\s*-\s*(.+)/.exec(line)?.[1] ?? []) ?? []
  return items.map((item) =>
    item
      .replace(/\s+#.*$/, '')
      .trim()
      .replace(/^(['"])(.*)\1$/, '$2'),
  )
}

function segmentsOf(pattern: string): string[] {
  return pattern.split('/').filter((segment) => segment !== '' && segment !== '.')
}

function matches(folder: string, [segment, ...rest]: string[]): string[] {
  if (segment === undefined) return [folder]
  if (segment === '**') {
    return [
      ...matches(folder, rest),
      ...subfolders(folder).flatMap((name) => matches(join(folder, name), [segment, ...rest])),
    ]
  }
  if (!segment.includes('*')) return matches(join(folder, segment), rest)
  const names = subfolders(folder).filter((name) => regular(segment).test(name))
  return names.flatMap((name) => matches(join(folder, name), rest))
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      .map(({ name }) => name)
  } catch {
    return []
  }
}

function regular(pattern: string): RegExp {
  const parts = segmentsOf(pattern).map((segment) =>
    segment === '**' ? '.*' : segment.split('*').map(escaped).join('[^/]*'),
  )
  return new RegExp(`^${parts.join('/').replaceAll('/.*', '(?:/.*)?')}$`)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
