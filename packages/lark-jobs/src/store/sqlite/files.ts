/**
 * The files of a store and the folder around them, as they are made: for their owner alone, and never through a link
 * that somebody else may have laid. SQLite makes `-wal` and `-shm` with the mode of the file itself.
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

/** The folder that Lark makes beside a configuration: all in it is Lark's own. */
const OWN_FOLDER = '.lark'
/** What a bell contains. */
const BYTE = Buffer.from('.')
/** Windows has neither links nor pipes there. */
const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

/**
 * Makes the folder and an empty file, unless they are there. What is there keeps its mode, so that its owner may share it.
 *
 * @throws STORE_REFUSED where a link lies in the place of one of the files
 * @throws STORE_INVALID where the path is that of a folder
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

/** @returns whether it was not there */
function makeFolder(folder: string): boolean {
  try {
    return mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // On a read-only disk the recursive form of Node 20 says ENOENT. The plain form says EROFS.
    let missing = folder
    while (!existsSync(dirname(missing))) missing = dirname(missing)
    mkdirSync(missing, { mode: 0o700 })
    return makeFolder(folder)
  }
}

/**
 * Opens the bell of a store's file, or makes it.
 *
 * @returns a descriptor
 * @throws STORE_REFUSED when what is there is not a bell: its first byte is written with every ring
 */
export function openBell(name: string, path: string): number {
  const bell = `${path}-bell`
  refuseLink(name, bell)
  const made = create(bell, statSync(path).mode & 0o666)
  if (made !== undefined) {
    // It has its byte while there is room on the disk.
    strike(made)
    return made
  }
  // Without O_NONBLOCK, opening a pipe would wait for its other end.
  const found = openSync(bell, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  if (isBell(found)) return found
  closeSync(found)
  throw new JobsError('STORE_REFUSED', `${bell} is not the bell of ${name}: another file is there`, {
    hint: 'Move it away, or give the store a file of another name.',
  })
}

/**
 * Writes to a bell, always the first byte: the file does not grow. The byte is a buffer, because Deno writes a string
 * wherever the last write ended, whatever the position (2.9.6).
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

/** @returns a descriptor of the file that it made; undefined when something is there */
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
    // It is there, or cannot be; the store works without it.
  }
}

function refuseLink(name: string, path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return
  throw new JobsError('STORE_REFUSED', `${path} is a symbolic link, which ${name} does not follow`, {
    hint: 'Name the file that it leads to in `connection`, or remove the link.',
  })
}
