/**
 * How modules are loaded that are known at run time only.
 *
 * The CommonJS build, which only test runners load, has another file in the place of this one (`build/sandbox.cjs.js`):
 * Jest runs code in a sandbox, in which `import()` fails.
 */

/**
 * What loads modules in such a sandbox: its own `require` compiles TypeScript too, in the way that the tests are
 * compiled, and gives the same modules that the tests have. undefined elsewhere.
 */
export const requireHere: ((file: string) => unknown) | undefined = undefined

/** `import()`, which every bundler is told to leave as it is: what it would put in its place finds no file at run time. */
export function importHere(specifier: string): Promise<Record<string, unknown>> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ specifier)
}
