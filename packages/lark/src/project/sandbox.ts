/**
 * Loads modules whose path is known only at run time.
 *
 * The CommonJS build, which only test runners load, contains `build/sandbox.cjs.js` instead of this file:
 * Jest runs code in a sandbox, where `import()` fails.
 */

/**
 * The `require` of Jest's sandbox; undefined outside of a sandbox. This `require` compiles TypeScript in the
 * same way as for the tests, and returns the same modules that the tests get.
 */
export const requireHere: ((file: string) => unknown) | undefined = undefined

/**
 * An `import()` that bundlers leave unchanged. Bundlers replace an `import()` with other code, which would
 * not find the file at run time.
 */
export function importHere(specifier: string): Promise<Record<string, unknown>> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ specifier)
}
