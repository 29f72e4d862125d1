/** The files of a store: their modes, symbolic links, and files of other programs. */
import { chmod, link, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Child } from './child.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'
import { onReadOnlyDisk } from './small-disk.ts'

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)

/** Opens a store and makes all its files. */
async function use(file: string, caller = 'web'): Promise<SqliteStore> {
  const store = new SqliteStore(file, options)
  await store.open()
  await new Caller(store, caller, 'emails').enqueue(job())
  return store
}

test.each([0o000, 0o022, 0o077])(
  'only the owner can read the files of a store, with umask %o',
  async (mask) => {
    await using folder = await Folder.make()
    const file = join(folder.path, '.lark', 'jobs.db')
    await using child = new Child('hold', file, 'web', { umask: mask })
    expect(await child.message()).toBe('queued')
    expect(await modeOf(join(folder.path, '.lark'))).toBe('700')
    for (const suffix of ['', '-wal', '-shm', '-bell']) expect(await modeOf(`${file}${suffix}`)).toBe('600')
    expect(await readFile(join(folder.path, '.lark', '.gitignore'), 'utf8')).toBe('*\n')
    child.tell('end')
    expect(await child.ended()).toBe(0)
  },
)

test('modes and a .gitignore that the owner has changed are not changed again', async () => {
  await using folder = await Folder.make()
  const own = join(folder.path, '.lark')
  await mkdir(own)
  await chmod(own, 0o750)
  await writeFile(join(own, '.gitignore'), 'jobs.db*\n')
  const file = join(own, 'jobs.db')
  await writeFile(file, '')
  await chmod(file, 0o660)
  await using child = new Child('hold', file, 'web', { umask: 0 })
  expect(await child.message()).toBe('queued')
  expect(await modeOf(own)).toBe('750')
  for (const suffix of ['', '-wal', '-shm', '-bell']) expect(await modeOf(`${file}${suffix}`)).toBe('660')
  expect(await readFile(join(own, '.gitignore'), 'utf8')).toBe('jobs.db*\n')
})

test('a folder that the user named gets no .gitignore', async () => {
  await using folder = await Folder.make()
  await using store = await use(join(folder.path, 'data', 'jobs.db'))
  expect(store.name).toContain('data')
  await expect(stat(join(folder.path, 'data', '.gitignore'))).rejects.toThrow('ENOENT')
})

test.each(['.lark/jobs.db', 'data/of/shop/jobs.db', 'jobs.db'])(
  'on a read-only disk, %s is refused with a hint',
  async (path) => {
    await using folder = await Folder.make()
    const { code, message, hint } = await onReadOnlyDisk(path, folder.path)
    expect(code).toBe('STORE_REFUSED')
    expect(message).toMatch(/^sqlite:.*jobs\.db refused to write: EROFS: read-only file system, /)
    expect(hint).toBe('Let this process write to the file and to its folder.')
  },
)

test('a folder instead of the file is refused with a hint', async () => {
  await using folder = await Folder.make()
  await expect(use(folder.path)).rejects.toMatchObject({
    code: 'STORE_INVALID',
    message: `sqlite:${folder.path} is a folder`,
    hint: "Name a file in it: 'sqlite:PATH/jobs.db'.",
  })
})

test.each(['', '-wal', '-shm', '-journal', '-bell'])(
  'a symbolic link instead of jobs.db%s is refused',
  async (suffix) => {
    await using folder = await Folder.make()
    const precious = join(folder.path, 'precious')
    await writeFile(precious, 'precious')
    const file = join(folder.path, 'data', 'jobs.db')
    await mkdir(join(folder.path, 'data'))
    await symlink(precious, `${file}${suffix}`)
    // The file must exist, because a log without its file would be refused for another reason.
    if (suffix !== '') await writeFile(file, '')
    await expect(use(file)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: `${file}${suffix} is a symbolic link, which sqlite:${file} does not follow`,
    })
    expect(await readFile(precious, 'utf8')).toBe('precious')
  },
)

test('.lark must not be a symbolic link, and a folder that the user named may be one', async () => {
  await using folder = await Folder.make()
  const elsewhere = join(folder.path, 'elsewhere')
  await mkdir(elsewhere)
  await symlink(elsewhere, join(folder.path, '.lark'))
  await expect(use(join(folder.path, '.lark', 'jobs.db'))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  await symlink(elsewhere, join(folder.path, 'shared'))
  await using store = await use(join(folder.path, 'shared', 'jobs.db'))
  expect(await store.counts('emails')).toMatchObject({ waiting: 1 })
})

test.each([
  ['text', (path: string) => writeFile(path, 'precious')],
  ['another byte', (path: string) => writeFile(path, 'p')],
  ['a folder', (path: string) => mkdir(path)],
  [
    'a second name of another file',
    async (path: string) => {
      await writeFile(`${path}-other`, '.')
      await link(`${path}-other`, path)
    },
  ],
])('a bell file that is %s is refused and stays unchanged', async (_, make) => {
  await using folder = await Folder.make()
  const bell = `${folder.file}-bell`
  await make(bell)
  const before = await stat(bell)
  await expect(use(folder.file)).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) })
  expect((await stat(bell)).size).toBe(before.size)
  expect((await stat(bell)).mtimeMs).toBe(before.mtimeMs)
})

test('a bell file of an earlier version or of another process is used', async () => {
  for (const content of ['', '.']) {
    await using folder = await Folder.make()
    await writeFile(`${folder.file}-bell`, content)
    await using one = await use(folder.file)
    await using two = await use(folder.file)
    expect([one.name, two.name]).toEqual([`sqlite:${folder.file}`, `sqlite:${folder.file}`])
  }
})

test('triggers and views that somebody added to the file cannot call unsafe functions', async () => {
  await using folder = await Folder.make()
  await (await use(folder.file)).close()
  const other = openRaw(folder.file)
  // SQLite does not consider this function safe for triggers and views.
  other.exec('CREATE TABLE loot (text TEXT)')
  other.exec(
    'CREATE TRIGGER spy AFTER INSERT ON jobs BEGIN INSERT INTO loot SELECT rtreecheck(new.payload); END',
  )
  await expect(use(folder.file, 'ada')).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: expect.stringContaining('unsafe use of rtreecheck()'),
  })
  expect(other.prepare('SELECT * FROM loot').all([])).toEqual([])
  other.exec('DROP TRIGGER spy')
  other.close()
  await (await use(folder.file, 'ada')).close()
})
