/**
 * What loads a module where `import()` does not: in Jest, which runs code in a sandbox of its own. Its `require`
 * compiles what it loads, TypeScript too, in the way that the tests themselves are compiled.
 *
 * undefined here. The CommonJS build, which only such a test runner loads, has `require` in its place (`build/build.js`).
 */
export const requireHere: ((file: string) => unknown) | undefined = undefined
