/**
 * Chooses the folder and the language of a new file for the `make:` commands, and writes the file without
 * overwriting an existing file.
 */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { larkError, reasonOf } from '../errors.ts'
import { list } from './packages.ts'
import { packageRoot, readPackage } from './project.ts'
import { sourceFiles } from './sources.ts'

/**
 * Writes a new file, and makes its folders.
 *
 * @throws FILE_EXISTS, FILE_NOT_WRITTEN
 */
export async function writeStub(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    // If `mkdir` fails with EEXIST, there is a file at the path of the folder.
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && syscall === 'open')
      throw larkError('FILE_EXISTS', `${path} exists already`, {
        hint: 'Choose another name, or delete the file',
      })
    throw larkError('FILE_NOT_WRITTEN', `${path} cannot be written: ${reasonOf(error)}`, { cause: error })
  }
}

/**
 * The place for a new module of one kind (`commands`, `jobs`). The folder is one that exists or that the
 * configuration names. If there is no such folder, it is `src/KIND` or `KIND`. The extension is `ts` if the
 * application is in TypeScript. `isModule` says whether the module uses `import` and `export`, and not
 * `require`.
 */
export async function stubPlace(
  kind: string,
  folder: string,
  configured?: string | string[],
): Promise<{ folder: string; extension: 'ts' | 'js'; isModule: boolean }> {
  const candidates = configured === undefined ? [`src/${kind}`, kind] : list(configured)
  const paths = candidates.map((path) => resolve(folder, path))
  const fallback = existsSync(join(folder, 'src')) ? paths[0] : paths.at(-1)
  const place = paths.find((path) => existsSync(path)) ?? (configured === undefined ? fallback : paths[0])
  const extension = (await isTypeScript(folder)) ? 'ts' : 'js'
  const root = packageRoot(folder)
  const isModule = extension === 'ts' || (root !== undefined && readPackage(root)?.type === 'module')
  return { folder: place ?? join(folder, kind), extension, isModule }
}

async function isTypeScript(folder: string): Promise<boolean> {
  if (existsSync(join(folder, 'tsconfig.json'))) return true
  const sources = await sourceFiles([join(folder, 'src'), join(folder, 'commands')])
  return sources.some((file) => /\.[cm]?ts$/.test(file))
}
