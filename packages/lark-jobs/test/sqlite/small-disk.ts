/**
 * Runs a script on a disk of a few MiB, or on a read-only disk: a file system that is mounted only for the
 * process of the script, and disappears with this process. If the tests do not run as root, it is mounted in
 * a user namespace.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const smallDisk = fileURLToPath(new URL('small-disk.js', import.meta.url))
const opener = fileURLToPath(new URL('process.js', import.meta.url))

/** Shell lines that mount a file system of `$1` MiB at `$2`. `$3` is a file for its content. */
const mounts = {
  tmpfs: 'mount -t tmpfs -o size=$1m none "$2"',
  readOnly: 'mount -t tmpfs -o ro none "$2"',
  ext4: 'truncate -s $1M "$3" && mkfs.ext4 -q -F "$3" && mount -o loop "$3" "$2"',
}

/** Ways to run a shell that may mount file systems, the best one first. */
const shells = [
  ['unshare', '--mount', 'sh', '-c'],
  ['unshare', '--mount', '--user', '--map-root-user', 'sh', '-c'],
]

export interface Outcome {
  first: { code: string; message: string }
  isRefused?: boolean
  before?: number
  isDone: boolean
  isDoneAgain: boolean
  again?: number
  accepted: number
  ended: number
  completed: number
  said: string[]
}

/**
 * @param size MiB
 * @param folder the folder of the test
 */
export function onSmallDisk(
  kind: 'tmpfs' | 'ext4',
  size: number,
  filler: 'dispatches' | 'neighbour',
  folder: string,
): Promise<Outcome> {
  return onDisk(kind, size, folder, (disk) => [smallDisk, filler, disk])
}

export interface Refusal {
  code: string
  message: string
  hint?: string
}

/**
 * Opens a store at a path on a read-only disk.
 *
 * @param folder the folder of the test
 */
export function onReadOnlyDisk(path: string, folder: string): Promise<Refusal> {
  return onDisk('readOnly', 1, folder, (disk) => [opener, 'refused', join(disk, path), 'web'])
}

/** @returns the message of the script */
async function onDisk<T>(
  kind: keyof typeof mounts,
  size: number,
  folder: string,
  script: (disk: string) => string[],
): Promise<T> {
  const place = join(folder, 'disk')
  await mkdir(place)
  const args = [String(size), place, join(folder, 'image')]
  const mount = mountable(args, kind) ?? (kind === 'ext4' ? mountable(args, 'tmpfs') : undefined)
  if (mount === undefined)
    throw new Error(
      'Tests of full and read-only disks mount one: as root, or in a user namespace. Neither is permitted here.',
    )
  const run = [process.execPath, ...script(place)]
  const [command, ...rest] = [...mount.shell, `${mount.line} && shift 3 && exec "$@"`, 'sh', ...args, ...run]
  const child = spawn(command!, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const [outcome] = await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => {
      throw new Error(`the process ended without a word (${code})`)
    }),
  ])
  await ended
  return outcome
}

interface Mount {
  shell: string[]
  line: string
}

function mountable(args: string[], kind: keyof typeof mounts): Mount | undefined {
  const line = mounts[kind]
  const shell = shells.find(([command, ...rest]) => {
    try {
      execFileSync(command!, [...rest, line, 'sh', ...args], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
  return shell && { shell, line }
}
