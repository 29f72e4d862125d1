/**
 * What an inspection of a store finds: facts about its servers or its file, which nothing judges here.
 * Reading them changes nothing. A fact that cannot be known, for example because the user of a server may not
 * ask, is absent.
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
  /** Why it gave no answer. Then nothing else is known. */
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
  /** Whether it accepts writes only while enough replicas follow. */
  needsReplicas?: boolean
  /**
   * By how many milliseconds its clock is ahead of that of this process, and by how many this may be wrong.
   */
  clock?: { ahead: number; within: number }
  /** The commands that Lark uses and its user may not run, in small letters. */
  refused: string[]
}

export interface ReplicaFacts {
  name: string
  isOnline: boolean
  /** Milliseconds since the primary heard of it. */
  silence: number
  /** Bytes that it has not received. */
  behind: number
}

export interface FileInspection {
  kind: 'sqlite'
  durability: Durability
  /** Undefined: the store is in memory. */
  file?: StoreFileFacts
  library: string
  version: string
  /** Whether this version can lose no commits when processes write together. */
  isSound: boolean
}

export interface StoreFileFacts {
  path: string
  journal: string
  /** Whether each commit is synced to the disk. */
  isSynced: boolean
  /** Bytes of the file, those of them that are free for new jobs, and bytes of its write-ahead log. */
  size: number
  free: number
  log: number
  /** Free bytes of the disk, and those that dispatches leave free. */
  disk?: number
  reserve?: number
  /** The kind of file system, if it is one of a network. */
  network?: string
}
