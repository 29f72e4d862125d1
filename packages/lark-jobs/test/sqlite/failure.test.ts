/** The errors that users get for failures of SQLite and of the file system. */
import { chmod, chown, readdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { isBusy, toJobsError } from '../../src/store/sqlite/failure.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { Child } from './child.ts'
import { Folder } from './folder.ts'

/** Makes an error like the SQLite library. */
function error(rawCode: number): Error {
  return Object.assign(new Error('no'), { code: `UNKNOWN_SQLITE_ERROR_${rawCode}`, rawCode })
}

test.each([
  [8, 'STORE_REFUSED', 'sqlite:x refused to write: no'],
  // SQLITE_READONLY_DIRECTORY, SQLITE_READONLY_CANTINIT
  [1544, 'STORE_REFUSED', "sqlite:x refused to write: no (SQLite's code 1544)"],
  [1288, 'STORE_REFUSED', "sqlite:x refused to write: no (SQLite's code 1288)"],
  // SQLITE_IOERR_AUTH, SQLITE_IOERR_CORRUPTFS
  [7178, 'STORE_REFUSED', "sqlite:x refused to write: no (SQLite's code 7178)"],
  [8458, 'STORE_REFUSED', "sqlite:x refused to write: no (SQLite's code 8458)"],
  [13, 'STORE_REFUSED', 'sqlite:x refused to write: no'],
  [3, 'STORE_REFUSED', 'sqlite:x refused to write: no'],
  [279, 'STORE_REFUSED', "sqlite:x refused to write: no (SQLite's code 279)"],
  // SQLITE_CORRUPT_INDEX
  [779, 'STORE_REFUSED', 'sqlite:x is damaged: no'],
  // SQLITE_CANTOPEN_SYMLINK
  [1550, 'STORE_UNREACHABLE', 'sqlite:x cannot be opened: no'],
  [26, 'STORE_INVALID', 'sqlite:x is a file, but not an SQLite database'],
  // SQLITE_ERROR, and a code that SQLite does not have yet
  [1, 'STORE_REFUSED', 'sqlite:x failed: no'],
  [9_999, 'STORE_REFUSED', "sqlite:x failed: no (SQLite's code 9999)"],
])('the SQLite code %i becomes %s', (rawCode, code, message) => {
  const cause = error(rawCode)
  expect(toJobsError('sqlite:x', cause)).toMatchObject({ code, message, cause })
})

test('a call is tried again after every error code about a lock', () => {
  // SQLITE_BUSY, _RECOVERY, _SNAPSHOT, _TIMEOUT; SQLITE_LOCKED, _SHAREDCACHE, _VTAB; SQLITE_PROTOCOL
  for (const rawCode of [5, 261, 517, 773, 6, 262, 518, 15]) expect(isBusy(error(rawCode))).toBe(true)
  for (const rawCode of [8, 10, 1544]) expect(isBusy(error(rawCode))).toBe(false)
  expect(isBusy(new Error('locked'))).toBe(false)
})

test('an error that does not come from the store stays unchanged', () => {
  const own = new TypeError('x is not a function')
  expect(toJobsError('sqlite:x', own)).toBe(own)
})

/** A user other than root, to whom file modes apply. */
const NOBODY = 65_534

/** @param modes the modes of the folder and of its files */
async function tryAs(folder: Folder, [of, files]: [number, number]) {
  const isRoot = process.getuid?.() === 0
  for (const name of await readdir(folder.path)) {
    await chmod(`${folder.path}/${name}`, files)
    if (isRoot) await chown(`${folder.path}/${name}`, NOBODY, NOBODY)
  }
  if (isRoot) {
    await chown(folder.path, NOBODY, NOBODY)
    await chmod(dirname(folder.path), 0o711)
  }
  await chmod(folder.path, of)
  try {
    await using child = new Child('try', folder.file, 'web', { ...(isRoot && { uid: NOBODY }) })
    return await child.message<{ code: string; message: string; hint: string }>()
  } finally {
    await chmod(folder.path, 0o700)
  }
}

test('a file or a folder without write permission is reported', async () => {
  await using folder = await Folder.make()
  const store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(job())
  await store.close()
  // These files can remain after `close()` until the statements of this process are garbage collected. If
  // they remained, SQLite would not have to create a file in the folder.
  for (const suffix of ['-wal', '-shm', '-bell']) await rm(`${folder.file}${suffix}`, { force: true })
  const refused = {
    code: 'STORE_REFUSED',
    message: expect.stringMatching(
      /^sqlite:.*jobs\.db refused to write: (attempt to write a readonly|EACCES)/,
    ),
    hint: 'Let this process write to the file and to its folder.',
  }
  // First neither the folder nor the files can be written, then the files cannot, and then the folder cannot.
  expect(await tryAs(folder, [0o500, 0o400])).toMatchObject(refused)
  expect(await tryAs(folder, [0o500, 0o600])).toMatchObject(refused)
  expect(await tryAs(folder, [0o700, 0o400])).toMatchObject(refused)
  expect(await tryAs(folder, [0o700, 0o000])).toMatchObject(refused)
  expect(await tryAs(folder, [0o700, 0o600])).toBe('queued')
})
