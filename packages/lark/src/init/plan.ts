/**
 * Makes the plan of `lark init`: the new files, and the additions to package.json. This file changes nothing
 * on the disk: `write.ts` carries out the plan.
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { Catalog } from '../catalog/catalog.ts'
import { defined } from '../defined.ts'
import { importModule } from '../project/module.ts'
import { larkPackages } from '../project/packages.ts'
import { sourceFiles } from '../project/sources.ts'
import { NEW_PACKAGE } from './install.ts'
import { withMembers } from './json-text.ts'
import { managerWords } from './package-manager.ts'
import type { InitExample, InitPart, InitProject } from './part.ts'
import type { Survey } from './survey.ts'

/** A file of the plan. */
export interface PlannedFile {
  /** The path of the file, relative to the project's folder. */
  path: string
  /** `kept`: the file stays unchanged, or is not written. */
  state: 'new' | 'changed' | 'kept'
  /** The addition to the file, or the reason why the file is kept. */
  note: string
  /** The text of the file before the change; undefined if there is no such file. */
  before?: string
  /** The text of the file after the change. */
  text?: string
}

export interface Plan {
  files: PlannedFile[]
  notes: string[]
  /** The commands to call next. */
  next: string[]
}

/** @param own the part of Lark itself, for a project whose packages have no example */
export async function makePlan(
  found: Survey,
  own: (project: InitProject) => Promise<InitPart>,
  catalog: Pick<Catalog, 'find'>,
): Promise<Plan> {
  const parts = await partsOf(found.project)
  if (parts.every(({ part }) => part.example === undefined))
    parts.push({ from: '@s18i/lark', part: await own(found.project) })
  const examples = await Promise.all(
    parts.flatMap(({ part }) => part.example ?? []).map((each) => plannedExample(each, found, catalog)),
  )
  const lark = managerWords[found.manager].lark
  const next = [...examples.flatMap((each) => each.next), ...parts.flatMap(({ part }) => part.next ?? [])]
  return {
    files: [
      ...examples.flatMap(({ files }) => files),
      ...plannedConfig(parts, found),
      plannedPackage(parts, found),
    ],
    notes: [...found.notes, ...parts.flatMap(({ part }) => part.notes ?? [])],
    next: next.map((words) => `${lark} ${words}`),
  }
}

interface NamedPart {
  /** The name of the package. */
  from: string
  part: InitPart
}

async function partsOf(project: InitProject): Promise<NamedPart[]> {
  const parts: NamedPart[] = []
  for (const { name, init } of larkPackages([project.folder])) {
    if (init === undefined) continue
    const module = (await importModule(init)) as { init(project: InitProject): InitPart | Promise<InitPart> }
    parts.push({ from: name, part: await module.init(project) })
  }
  return parts
}

async function plannedExample(
  { files, firstIn, commands = [], next }: InitExample,
  { folder, project }: Survey,
  catalog: Pick<Catalog, 'find'>,
): Promise<{ files: PlannedFile[]; next: readonly string[] }> {
  const extension = project.isTypeScript ? '.ts' : '.js'
  const kept = (path: string, note: string) => ({
    files: [{ path, state: 'kept' as const, note }],
    next: [],
  })
  const count = (await sourceFiles([join(folder, firstIn)])).length
  if (count > 0) return kept(firstIn, `has ${count} ${count === 1 ? 'file' : 'files'} already: no example`)
  const paths = Object.keys(files).map((path) => path + extension)
  const taken = paths.find((path) => isTaken(join(folder, path)))
  if (taken !== undefined) return kept(taken, 'exists already: no example')
  const key = commands.find((each) => catalog.find(each) !== undefined)
  if (key !== undefined) return kept(firstIn, `the project has a command ${key} already: no example`)
  const planned = Object.entries(files).map(([path, text]) => {
    return { path: path + extension, state: 'new' as const, note: '', text }
  })
  return { files: planned, next }
}

/** Whether a file, a folder or a link exists at this path, even a link without a target. */
function isTaken(path: string): boolean {
  try {
    return lstatSync(path) !== undefined
  } catch {
    return false // Any problem other than a missing file makes the later write fail.
  }
}

function plannedConfig(parts: readonly NamedPart[], { folder, configFile, project }: Survey): PlannedFile[] {
  if (configFile !== undefined)
    return [{ path: configFile.slice(folder.length + 1), state: 'kept', note: 'exists already' }]
  const sections = parts.filter(({ part }) => part.section !== undefined)
  const [first] = sections
  const path = `lark.config.${project.isTypeScript ? 'ts' : 'js'}`
  if (first === undefined) return []
  if (isTaken(join(folder, path))) return [{ path, state: 'kept', note: 'exists already' }]
  const body = sections.map(({ part }) => part.section!.map((line) => `  ${line}\n`).join('')).join('')
  const text = `${project.importing(['defineConfig'], first.from)}

${project.isModule ? 'export default' : 'module.exports ='} defineConfig({
${body}})
`
  return [{ path, state: 'new', note: '', text }]
}

/** The scripts that are missing in package.json, and the module format of a new project. */
function plannedPackage(
  parts: readonly NamedPart[],
  { packageFile, json, text, isNew }: Survey,
): PlannedFile {
  const path = packageFile
  const wished = Object.assign({}, ...parts.map(({ part }) => part.scripts)) as Record<string, string>
  const scripts = Object.entries(wished).filter(([name]) => !Object.hasOwn(json.scripts ?? {}, name))
  const fields = isNew && json.type === undefined ? { type: 'module' } : {}
  let after = text ?? NEW_PACKAGE
  if (Object.keys(fields).length > 0) after = withMembers(after, fields)
  if (scripts.length > 0) after = withMembers(after, Object.fromEntries(scripts), 'scripts')
  if (after === text) return { path, state: 'kept', note: 'has all that is needed' }
  const added = [...Object.keys(fields), ...scripts.map(([name]) => `the script ${name}`)]
  const state = text === undefined ? 'new' : 'changed'
  return { path, state, note: added.join(', '), ...defined({ before: text }), text: after }
}
