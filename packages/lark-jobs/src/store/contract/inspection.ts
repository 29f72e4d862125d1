/**
 * The result of an inspection of a store: facts about its servers or its file. Whether a fact is a problem is
 * decided elsewhere (`operate/doctor`). An inspection changes nothing. If a fact cannot be read, for example
 * because the user on the server lacks a right, the field is absent.
 */
import type { Durability } from './connection/durability.ts'

export type Inspection = ServersInspection | FileInspection

export interface ServersInspection {
  kind: 'redis'
  /** Whether the store is on a single server, on a cluster, or on a primary that Sentinels watch. */
  way: 'server' | 'cluster' | 'sentinel'
  durability: Durability
  /** Whether a provider runs the servers, so that customers cannot change how the servers keep data. */
  isManaged: boolean
  /** The servers that accept writes. */
  servers: ServerFacts[]
}

/** A server of Redis or Valkey that accepts writes. */
export interface ServerFacts {
  name: string
  /** Why the server gave no answer. If this field is present, nothing else is known about the server. */
  failure?: string
  software?: 'Redis' | 'Valkey'
  version?: string
  /** Whether the server is a node of a cluster. */
  isNode?: boolean
  evictionPolicy?: string
  /** The limit of the server's memory, in bytes. 0: no limit. */
  maxMemory?: number
  /** Bytes of memory that the server uses. */
  usedMemory?: number
  /** Bytes of memory that the machine has. */
  systemMemory?: number
  appendOnly?: boolean
  /** When the append-only file is synced to the disk: `always`, `everysec` or `no`. */
  appendSync?: string
  /** Whether the last write to the append-only file succeeded, and whether the last snapshot succeeded. */
  isAppending?: boolean
  isSaving?: boolean
  replicas?: ReplicaFacts[]
  /** Whether the server accepts writes only while enough replicas follow it. */
  needsReplicas?: boolean
  /**
   * How many milliseconds the clock of the server is ahead of the clock of this process. `within`: the
   * possible error of this number.
   */
  clock?: { ahead: number; within: number }
  /** The commands that Lark needs but its user on the server may not run, in lower case. */
  refused: string[]
}

export interface ReplicaFacts {
  name: string
  isOnline: boolean
  /** Milliseconds since the primary last heard from the replica. */
  silence: number
  /** Bytes of changes that the replica has not received from the primary. */
  behind: number
}

export interface FileInspection {
  kind: 'sqlite'
  durability: Durability
  /** The facts about the file; undefined if the store is in memory. */
  file?: StoreFileFacts
  library: string
  version: string
  /** Whether this version of SQLite is free of the fault that loses commits when several processes write. */
  isSound: boolean
}

export interface StoreFileFacts {
  path: string
  journal: string
  /** Whether each commit is synced to the disk. */
  isSynced: boolean
  /** Bytes of the file, bytes in the file that are free for new jobs, and bytes of the write-ahead log. */
  size: number
  free: number
  log: number
  /** Free bytes of the disk, and how many bytes dispatches must leave free. */
  disk?: number
  reserve?: number
  /** The kind of file system, if it is a network file system. */
  network?: string
}
