// The CommonJS build contains this file instead of `src/project/sandbox.ts`. In a sandbox, `import()` fails, but not in
// a file that Node itself has loaded. (`vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER` would also work, but prints a warning.)
import { runInThisContext } from 'node:vm'

const main = runInThisContext('globalThis')

export const requireHere = main === globalThis ? undefined : require

export const importHere = main.process.getBuiltinModule('node:module').createRequire(__filename)(
  './import.cjs',
)
