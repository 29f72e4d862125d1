/**
 * Loads modules whose path is known only at run time.
 *
 * The CommonJS build, which only test runners load, contains `build/sandbox.cjs.js` instead of this file:
 * Jest runs code in a sandbox, where `import()` fails.
 */

/**
 * The `require` of such a sandbox. It compiles TypeScript in the same way as the tests, and returns the
 * modules that the tests have. It is undefined outside of a sandbox.
 */
export const requireHere: ((file: string) => unknown) | undefined = undefined

/** An `import()` that bundlers leave unchanged: their own replacement would not find the file at run time. */
export function importHere(specifier: string): Promise<Record<string, unknown>> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ specifier)
}
