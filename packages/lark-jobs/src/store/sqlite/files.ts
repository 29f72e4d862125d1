/**
 * Creates the files of a store and their folder. Only the owner can read the files. If a symbolic link is at
 * one of these paths, the store refuses it, because another user may have made the link. SQLite gives `-wal`
 * and `-shm` the mode of the database file.
 */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { JobsError } from '../../model/errors.ts'

/** The folder that Lark creates beside a configuration file, which contains only files of Lark. */
const OWN_FOLDER = '.lark'
/** The content of a bell. */
const BYTE = Buffer.from('.')
/** On Windows, O_NOFOLLOW and O_NONBLOCK are undefined. */
const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/**
 * Creates the folder and an empty file, unless they exist. An existing folder or file keeps its mode, because
 * its owner may have opened it to a group.
 *
 * @throws STORE_REFUSED if one of the paths is a symbolic link
 * @throws STORE_INVALID if the path is a folder
 */
export function makeFile(name: string, path: string): void {
  const folder = dirname(path)
  if (basename(folder) === OWN_FOLDER) refuseLink(name, folder)
  for (const suffix of ['', '-wal', '-shm', '-journal', '-bell']) refuseLink(name, `${path}${suffix}`)
  if (makeFolder(folder)) chmodSync(folder, 0o700)
  if (basename(folder) === OWN_FOLDER) keepOutOfGit(folder)
  const file = create(path, 0o600)
  if (file !== undefined) closeSync(file)
  else if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new JobsError('STORE_INVALID', `${name} is a folder`, {
      hint: "Name a file in it: 'sqlite:PATH/jobs.db'.",
    })
}

/** @returns whether the folder was made */
function makeFolder(folder: string): boolean {
  try {
    return mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // On a read-only disk, the recursive `mkdir` of Node 20 fails with ENOENT. A `mkdir` that is not
    // recursive fails with EROFS, which tells the user the reason.
    let missing = folder
    while (!existsSync(dirname(missing))) missing = dirname(missing)
    mkdirSync(missing, { mode: 0o700 })
    return makeFolder(folder)
  }
}

/**
 * Opens the bell of a store: the small file beside the database through which processes wake each other
 * (`bell.ts`). A missing bell is created.
 *
 * @returns a descriptor
 * @throws STORE_REFUSED if the file at the bell's path is not a bell. Each ring overwrites the first byte,
 * which would damage that file
 */
export function openBell(name: string, path: string): number {
  const bell = `${path}-bell`
  refuseLink(name, bell)
  const made = create(bell, statSync(path).mode & 0o666)
  if (made !== undefined) {
    // The byte is written when the bell is created. So later rings need no disk space.
    strike(made)
    return made
  }
  // Without O_NONBLOCK, the open of a named pipe at this path would wait for the other end of the pipe.
  const found = openSync(bell, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  if (isBell(found)) return found
  closeSync(found)
  throw new JobsError('STORE_REFUSED', `${bell} is not the bell of ${name}: another file is there`, {
    hint: 'Move it away, or give the store a file of another name.',
  })
}

/**
 * Rings a bell: overwrites the first byte of the file, so that the file does not grow. `BYTE` is a buffer and
 * not a string, because Deno 2.9.6 ignores the position when it writes a string, and appends.
 */
export function strike(bell: number): void {
  writeSync(bell, BYTE, 0, 1, 0)
}

function isBell(file: number): boolean {
  const stat = fstatSync(file)
  if (!stat.isFile() || stat.nlink > 1 || stat.size > 1) return false
  const byte = Buffer.alloc(1)
  return readSync(file, byte, 0, 1, 0) === 0 || byte.equals(BYTE)
}

/** @returns a descriptor of the new file; undefined if a file exists at this path */
function create(path: string, mode: number): number | undefined {
  try {
    const file = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
    fchmodSync(file, mode)
    return file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}

function keepOutOfGit(folder: string): void {
  try {
    writeFileSync(join(folder, '.gitignore'), '*\n', { flag: 'wx', mode: 0o600 })
  } catch {
    // Usually this file exists already. If it cannot be created, the store works without it.
  }
}

function refuseLink(name: string, path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return
  throw new JobsError('STORE_REFUSED', `${path} is a symbolic link, which ${name} does not follow`, {
    hint: 'Name the file that it leads to in `connection`, or remove the link.',
  })
}
