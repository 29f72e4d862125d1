/**
 * Carries out a plan of `lark init` as a whole or not at all. All files are checked before the first write.
 * New files never replace existing files, a changed file is replaced in one step, and if one write fails, the
 * earlier writes are undone. All writes are in one synchronous call, so that a signal cannot interrupt them.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { type LarkError, larkError, reasonOf } from '../errors.ts'
import { foldersUpward } from '../project/project.ts'
import type { PlannedFile } from './plan.ts'

/** @throws FILE_NOT_WRITTEN, FILE_EXISTS. After an error, no file is changed */
export function writeAll(folder: string, files: readonly PlannedFile[]): void {
  const undo: (() => void)[] = []
  for (const file of files) {
    if (file.text === undefined) continue
    const path = join(folder, file.path)
    try {
      if (file.state === 'new') writeNew(folder, path, file.text, undo)
      else replace(path, file, undo)
    } catch (error) {
      for (const act of undo.reverse()) attempt(act)
      throw notWritten(path, error)
    }
  }
}

function writeNew(folder: string, path: string, text: string, undo: (() => void)[]): void {
  const parents = [...foldersUpward(dirname(path))]
  const present = parents.find((each) => existsSync(each))!
  const home = realpathSync(folder)
  if (!(realpathSync(present) + sep).startsWith(home + sep))
    throw new Error(`${present} is outside of ${home}`)
  const made = parents.slice(0, parents.indexOf(present)).reverse()
  for (const each of made) {
    mkdirSync(each)
    undo.push(() => rmdirSync(each))
  }
  writeFileSync(path, '', { flag: 'wx' })
  undo.push(() => rmSync(path))
  writeFileSync(path, text)
}

function replace(link: string, { text, before }: PlannedFile, undo: (() => void)[]): void {
  const path = realpathSync(link)
  const unfinished = `${path}.${process.pid}.lark`
  const { mode, uid, gid } = statSync(path)
  const put = (each: string) => {
    try {
      writeFileSync(unfinished, each, { flag: 'wx' })
      chmodSync(unfinished, mode)
      if (process.getuid?.() === 0) chownSync(unfinished, uid, gid)
      renameSync(unfinished, path)
    } catch (error) {
      rmSync(unfinished, { force: true })
      throw error
    }
  }
  if (readFileSync(path, 'utf8') !== before) throw new Error('it has changed in the meantime')
  put(text!)
  undo.push(() => put(before!))
}

/** Undoes one write. If undoing fails, the other writes are still undone. */
function attempt(act: () => void): void {
  try {
    act()
  } catch {
    // Another program has put a file into the folder, or the disk has failed. The error of the write itself
    // is reported already.
  }
}

function notWritten(path: string, error: unknown): LarkError {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (code === 'EEXIST' && syscall === 'open')
    return larkError('FILE_EXISTS', `${path} exists already`, {
      hint: 'Nothing is changed. Call lark init again',
    })
  return larkError('FILE_NOT_WRITTEN', `${path} cannot be written: ${reasonOf(error)}`, {
    cause: error,
    hint: 'Nothing is changed',
  })
}
