/**
 * A promise that is settled from outside. (Node has `Promise.withResolvers` from version 22 on.)
 */
export class Deferred<T> {
  resolve!: (value: T) => void
  reject!: (error: unknown) => void
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })
}
