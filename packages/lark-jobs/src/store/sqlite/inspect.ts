/**
 * Inspects the file of an embedded store: its settings and sizes, its disk, and the SQLite library.
 */
import { statfsSync, statSync } from 'node:fs'
import { defined } from '@s18i/lark/internal'
import type { FileInspection, StoreFileFacts } from '../contract/inspection.ts'
import type { Durability } from '../contract/store.ts'
import type { SqliteDatabase } from './database.ts'
import { RESERVE } from './disk.ts'
import { isSound, library } from './library.ts'

/** Network file systems, by the type number that Linux reports (`statfs(2)`). */
const networks: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB',
  12805120: 'Ceph',
  198183891: 'Lustre',
  1397113167: 'AFS',
  16914839: '9P',
}

/** @param path the path of the file; undefined for a store in memory */
export async function inspectFile(
  database: SqliteDatabase,
  path: string | undefined,
  durability: Durability,
): Promise<FileInspection> {
  const facts = await database.read(() => ({
    version: database.get<{ version: string }>('SELECT sqlite_version() AS version')!.version,
    journal: settingOf(database, 'journal_mode'),
    synchronous: settingOf(database, 'synchronous'),
    pages: settingOf(database, 'page_count'),
    free: settingOf(database, 'freelist_count'),
    page: settingOf(database, 'page_size'),
  }))
  const { version, journal, synchronous, pages, free, page } = facts
  return {
    kind: 'sqlite',
    durability,
    library: library(database.name).name,
    version,
    isSound: isSound(version),
    ...(path !== undefined && {
      file: {
        path,
        journal: String(journal),
        isSynced: Number(synchronous) >= 2,
        size: Number(pages) * Number(page),
        free: Number(free) * Number(page),
        log: statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0,
        ...diskOf(path),
      },
    }),
  }
}

function settingOf(database: SqliteDatabase, pragma: string): string | number {
  return Object.values(database.get<Record<string, string | number>>(`PRAGMA ${pragma}`) ?? {})[0] ?? ''
}

/** The facts about the disk. The result is empty if the system does not report them. */
function diskOf(path: string): Pick<StoreFileFacts, 'disk' | 'reserve' | 'network'> {
  try {
    const { type, bsize, blocks, bavail } = statfsSync(path)
    const network = process.platform === 'linux' ? networks[type >>> 0] : undefined
    if (blocks === 0) return network === undefined ? {} : { network }
    const reserve = Math.min(RESERVE, (blocks * bsize) / 4)
    return { disk: bavail * bsize, reserve, ...defined({ network }) }
  } catch {
    return {}
  }
}
