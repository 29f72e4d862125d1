/**
 * To whom a file belongs, and who can write where it lies. Lark runs code that it finds by searching, so what it finds
 * must be of the user who runs it, of root, or of the owner of the script that was started, whose code runs already. On
 * Windows there is nothing to ask.
 */
import { lstatSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { larkError } from './errors.ts'
import { packageRoot } from './project.ts'

const warned = new Set<string>()

/**
 * @param hint what to do about it
 * @throws CONFIG_FOREIGN when a file, or a link in its place, belongs to another user
 */
export function refuseForeign(file: string, hint: string): void {
  const owner = foreignOwner(lstatSync(file)) ?? foreignOwner(statSync(file))
  if (owner === undefined) return
  const message = `${file} belongs to another user (uid ${owner}), and its code is not run`
  throw larkError('CONFIG_FOREIGN', message, { hint })
}

/** Warns, once, of a file that others can change or replace. */
export function warnOfOpen(file: string): void {
  const folder = dirname(file)
  const message = isOpen(statSync(file))
    ? `Every user can change ${file}, whose code is run`
    : isOpen(statSync(folder))
      ? `Every user can put files into ${folder}, where the code of ${basename(file)} is run`
      : undefined
  if (message === undefined || warned.has(file)) return
  warned.add(file)
  process.emitWarning(message, { code: 'LARK_CONFIG_OPEN' })
}

/** Where Lark may keep what it knows of the package around a folder: nowhere, if others could put files there. */
export function cacheFolder(folder: string): string | undefined {
  const root = packageRoot(folder)
  if (root === undefined) return undefined
  const stats = statSync(root)
  return foreignOwner(stats) === undefined && !isOpen(stats)
    ? join(root, 'node_modules/.cache/lark')
    : undefined
}

function foreignOwner({ uid }: Stats): number | undefined {
  const user = process.getuid?.()
  return user === undefined || uid === 0 || uid === user || uid === scriptOwner() ? undefined : uid
}

/** In a container, root often runs files that all belong to the user outside it. */
function scriptOwner(): number | undefined {
  const script = process.argv[1]
  return script === undefined ? undefined : statSync(script, { throwIfNoEntry: false })?.uid
}

/** Also where the sticky bit keeps them from removing it, as in /tmp: they can still add files. */
function isOpen({ mode }: Stats): boolean {
  return process.getuid !== undefined && (mode & 0o002) !== 0
}
