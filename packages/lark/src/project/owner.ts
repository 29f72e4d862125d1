/**
 * Checks the owner of a file, and whether other users can write to the file or its folder. Lark runs code
 * that it finds by searching. A file with such code must belong to the current user, to root, or to the owner
 * of the started script, whose code already runs. On Windows, there is no check.
 */
import { lstatSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { larkError } from '../errors.ts'
import { packageRoot } from './project.ts'

const warned = new Set<string>()

/**
 * @param hint advice for the user
 * @throws CONFIG_FOREIGN if the file, or a link at its path, belongs to another user
 */
export function refuseForeign(file: string, hint: string): void {
  const owner = foreignOwner(lstatSync(file)) ?? foreignOwner(statSync(file))
  if (owner === undefined) return
  const message = `${file} belongs to another user (uid ${owner}), and its code is not run`
  throw larkError('CONFIG_FOREIGN', message, { hint })
}

/** Warns once about a file that other users can change or replace. */
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

/**
 * The folder for caches of the package around `folder`, or undefined if other users could put files into the
 * folder for caches.
 */
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

/**
 * The owner of the started script. In a container, root often runs files that belong to a user outside the
 * container.
 */
function scriptOwner(): number | undefined {
  const script = process.argv[1]
  return script === undefined ? undefined : statSync(script, { throwIfNoEntry: false })?.uid
}

/**
 * Whether every user can write to a file or folder. The sticky bit, which /tmp has, makes no difference,
 * because it only prevents users from removing files of other users.
 */
function isOpen({ mode }: Stats): boolean {
  return process.getuid !== undefined && (mode & 0o002) !== 0
}
