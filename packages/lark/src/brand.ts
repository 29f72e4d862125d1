/**
 * `instanceof` for a class of which a process may have two copies: one copy in a bundle and one in
 * `node_modules`, or an ES module and a CommonJS module. A symbol that all copies share (a brand) marks the
 * instances of every copy.
 */

/**
 * Makes `instanceof` use the brand for this class. For subclasses of the class, `instanceof` works as usual.
 *
 * @param isBranded returns whether a value is an instance of this class in any copy. The function must not
 *   throw
 */
// biome-ignore lint/complexity/noBannedTypes: any class, including an abstract one
export function branded(base: Function, isBranded: (value: unknown) => boolean): void {
  Object.defineProperty(base, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      return this === base ? isBranded(value) : Function.prototype[Symbol.hasInstance].call(this, value)
    },
  })
}
