/** The findings of the doctor for an embedded store. */
import type { FileInspection } from '../../store/contract/inspection.ts'
import { type DoctorFinding, Examination } from './finding-codes.ts'
import { bytes } from './size.ts'

/** If fewer bytes of the disk are free, the doctor warns. */
const ROOM = 256e6
/** A write-ahead log with this many bytes is too long: commits normally empty it from 16 MB on. */
const LONG = 128e6

export function fileFindings({
  file,
  library,
  version,
  isSound,
  durability,
}: FileInspection): DoctorFinding[] {
  const found = new Examination(file?.path ?? 'the store in memory')
  if (isSound) found.ok('sqlite-version', `SQLite ${version} of ${library}`)
  else
    found.warn(
      'sqlite-version',
      `SQLite ${version} of ${library} can lose commits, though rarely, when several processes write`,
      'Use a Node whose SQLite is 3.51.3 or newer.',
    )
  if (file === undefined) return found.findings
  if (file.journal !== 'wal')
    found.fail(
      'journal',
      `its journal mode is ${file.journal}, so readers wait for writers`,
      'Move it to a local disk, where SQLite can use a write-ahead log.',
    )
  else if (durability === 'strict' && !file.isSynced)
    found.fail(
      'journal',
      'its commits are not synced, as durability strict needs it',
      'Report this: it is a mistake in Lark.',
    )
  else
    found.ok(
      'journal',
      `write-ahead log, ${file.isSynced ? 'each commit is synced' : 'synced with each checkpoint'}`,
    )
  if (file.network !== undefined)
    found.fail(
      'network-file',
      `is on ${file.network}: file locks of a network do not keep processes apart, and damage the file`,
      'Move it to a local disk, and run all processes on that machine; or use Redis.',
    )
  else found.ok('network-file', 'is on no file system of a network that is known')
  if (file.disk !== undefined) {
    const text = `its disk has ${bytes(file.disk)} free; the file has ${bytes(file.size)}, of which ${bytes(file.free)} are free`
    const remedy = 'Free some space, or move the file: a full disk refuses dispatches.'
    if (file.disk <= (file.reserve ?? 0)) found.fail('disk-space', text, remedy)
    else if (file.disk < ROOM) found.warn('disk-space', text, remedy)
    else found.ok('disk-space', text)
  }
  if (file.log > LONG)
    found.warn(
      'log-size',
      `its write-ahead log has ${bytes(file.log)}: some process reads without a pause, and keeps it from being emptied`,
      'Look for a program that has the file open, such as a backup or a viewer of databases.',
    )
  else found.ok('log-size', `its write-ahead log has ${bytes(file.log)}`)
  return found.findings
}
