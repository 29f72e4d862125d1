/**
 * Classes of which a process may hold two copies: one of a bundle and one of `node_modules`, or one of each module system.
 * What is of either is known by a brand, a symbol that all copies share.
 */

/**
 * Has `instanceof` go by the brand for a class. A class that extends it has only its own instances, as ever.
 *
 * @param isBranded whether a value is an instance of this class in any copy; must not throw
 */
// biome-ignore lint/complexity/noBannedTypes: any class, also an abstract one
export function branded(base: Function, isBranded: (value: unknown) => boolean): void {
  Object.defineProperty(base, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return this === base ? isBranded(value) : Function.prototype[Symbol.hasInstance].call(this, value)
    },
  })
}
