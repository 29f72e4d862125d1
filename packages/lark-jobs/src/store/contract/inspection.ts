/**
 * The result of an inspection of a store: facts about its servers or its file, without a judgement. Reading
 * them changes nothing. A fact that cannot be read, for example because the user of a server has no right to
 * it, is absent.
 */
import type { Durability } from './connection/durability.ts'

export type Inspection = ServersInspection | FileInspection

export interface ServersInspection {
  kind: 'redis'
  /** A server by itself, a cluster, or a primary that Sentinels watch. */
  way: 'server' | 'cluster' | 'sentinel'
  durability: Durability
  /** A provider runs the servers, and its customers cannot change how they keep their data. */
  isManaged: boolean
  /** The servers that accept writes. */
  servers: ServerFacts[]
}

/** A server of Redis or Valkey that accepts writes. */
export interface ServerFacts {
  name: string
  /** Why the server gave no answer. If this is set, nothing else is known about the server. */
  failure?: string
  software?: 'Redis' | 'Valkey'
  version?: string
  /** Whether the server is a node of a cluster. */
  isNode?: boolean
  evictionPolicy?: string
  /** Bytes; 0: no limit. */
  maxMemory?: number
  /** Bytes. */
  usedMemory?: number
  /** Bytes of the machine. */
  systemMemory?: number
  appendOnly?: boolean
  /** `always`, `everysec` or `no`. */
  appendSync?: string
  /** Whether the last write to the append-only file, and the last snapshot, succeeded. */
  isAppending?: boolean
  isSaving?: boolean
  replicas?: ReplicaFacts[]
  /** Whether the server accepts writes only while enough replicas follow it. */
  needsReplicas?: boolean
  /**
   * By how many milliseconds the clock of the server is ahead of the clock of this process, and by how many
   * this number may be wrong.
   */
  clock?: { ahead: number; within: number }
  /** The commands that Lark uses and that its user on the server may not run, in small letters. */
  refused: string[]
}

export interface ReplicaFacts {
  name: string
  isOnline: boolean
  /** Milliseconds since the primary last heard from the replica. */
  silence: number
  /** Bytes of the primary's changes that the replica has not received. */
  behind: number
}

export interface FileInspection {
  kind: 'sqlite'
  durability: Durability
  /** Undefined: the store is in memory. */
  file?: StoreFileFacts
  library: string
  version: string
  /** Whether this version of SQLite loses no commits when several processes write. */
  isSound: boolean
}

export interface StoreFileFacts {
  path: string
  journal: string
  /** Whether each commit is synced to the disk. */
  isSynced: boolean
  /** Bytes of the file, how many of them are free for new jobs, and bytes of its write-ahead log. */
  size: number
  free: number
  log: number
  /** Free bytes of the disk, and how many of them dispatches must leave free. */
  disk?: number
  reserve?: number
  /** The kind of file system, if it is a network file system. */
  network?: string
}
