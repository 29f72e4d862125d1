// What the CommonJS build has in the place of `src/sandbox.ts`. In a sandbox, `import()` fails; in a file that Node
// itself has loaded, it does not. (`vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER` would do as well, with a warning.)
import { runInThisContext } from 'node:vm'

const main = runInThisContext('globalThis')

export const requireHere = main === globalThis ? undefined : require

export const importHere = main.process.getBuiltinModule('node:module').createRequire(__filename)(
  './import.cjs',
)
