// What the CommonJS build has in the place of `src/sandbox.ts`. In a sandbox, `import()` fails; in a file that Node
// itself has loaded, it does not. (`vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER` would do as well, with a warning.)
import { runInThisContext } from 'node:vm'

const { createRequire } = runInThisContext('process').getBuiltinModule('node:module')

export const requireHere = require

export const importHere = createRequire(__filename)('./import.cjs')
