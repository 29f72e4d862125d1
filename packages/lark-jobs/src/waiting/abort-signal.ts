/**
 * `AbortSignal` in the types that users see. If a program is compiled without the types of Node and of
 * browsers (`"types": []`), no `AbortSignal` is declared. In that case, `AbortSignalLike` declares the part
 * of it that jobs need.
 */

/** The `AbortSignal` of the platform. */
export type AbortSignalLike = typeof globalThis extends { AbortSignal: { prototype: infer Declared } }
  ? Declared
  : {
      readonly aborted: boolean
      readonly reason: unknown
      throwIfAborted(): void
      addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
      removeEventListener(type: 'abort', listener: () => void): void
    }
