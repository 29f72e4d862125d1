/**
 * The loads of files from which a call comes. A development server loads a file again when it, or what it imports, has
 * changed: its code runs a second time, and what the first run started is still there. That a call comes from another run
 * of a file than an earlier one, and not from a loop in the same run, nothing tells outright:
 *
 *   CommonJS    a load makes a new `module`, which `require` keeps
 *   others      code at the top of a file runs once a load, in one chain of asynchronous steps. The first call of a chain
 *               marks it, and a call from the top of the same file without that mark is of another load
 *
 * A function of an ES module, called later, says nothing. Nor do lines, which are the same in a loop and others after an
 * edit, or the script ids of the inspector: V8 gives the same one to the same text. (Tried on 2026-11-26, Node 20 to 26.)
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** By file: what is one for a load of it and another for the next. */
export type Evaluations = ReadonlyMap<string, object>

type Called = (...args: never[]) => unknown

/** The frames that are looked at. What lies deeper is the framework's. */
const FRAMES = 30

const marks = new AsyncLocalStorage<Evaluations>()
/**
 * Whether loads are marked. Before Node 24 an `AsyncLocalStorage` in use has Node call a hook for every promise of the
 * process, and a chain that began before its first use is not followed: a mark in it is everybody's, and no load is told
 * from another. So there it is used in development alone. Servers for development set the variable before they load
 * anything of the application.
 *
 * (Measured on 2026-11-26, Node 20.20, 2 cores, shared: a job that does nothing took 4.4 µs of CPU without the hook, and
 * 5.2 µs with it.)
 */
const isMarking = process.env.NODE_ENV === 'development' || Number.parseInt(process.versions.node, 10) >= 24
if (process.env.NODE_ENV === 'development') marks.enterWith(new Map())

/** @param below the function of this package that the application has called */
export function evaluationsOf(below: Called): Evaluations {
  const found = new Map<string, object>()
  const modules = createRequire(process.execPath).cache
  for (const site of sitesOf(below)) {
    const name = site.getScriptNameOrSourceURL() ?? ''
    // `import('./worker.js?t=1')` is how some load a file again.
    const file = pathOf(name.replace(/[?#].*$/, ''))
    if (!/[\\/]/.test(file) || file.startsWith('node:') || found.has(file)) continue
    const module = modules[file]
    if (module !== undefined) found.set(file, module)
    else if (isMarking && isTop(site)) found.set(file, marked(file))
  }
  return found
}

/** The file that has been loaded again between two calls; undefined when there is none. */
export function loadedAgain(now: Evaluations, then: Evaluations): string | undefined {
  return [...now.keys()].find((file) => then.has(file) && then.get(file) !== now.get(file))
}

/** The mark of the load of a file, in whose chain of steps this is. */
function marked(file: string): object {
  const before = marks.getStore()
  const mark = before?.get(file) ?? {}
  if (before?.get(file) === undefined) marks.enterWith(new Map([...(before ?? []), [file, mark]]))
  return mark
}

function sitesOf(below: Called): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = FRAMES
    Error.prepareStackTrace = (_, sites) => sites
    const holder: { stack?: unknown } = {}
    Error.captureStackTrace(holder, below)
    return Array.isArray(holder.stack) ? holder.stack : []
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit })
  }
}

/** Whether it is the code of a file that is not in a function: that of `import`, or of the `eval` of a server. */
function isTop(site: NodeJS.CallSite): boolean {
  const { getEnclosingLineNumber, getEnclosingColumnNumber } = site as Partial<Enclosing>
  const name = site.getFunctionName()
  return (
    (name === null || name === 'eval') &&
    getEnclosingLineNumber?.call(site) === 1 &&
    (getEnclosingColumnNumber?.call(site) ?? 9) <= 2
  )
}

/** Where the function begins that a frame is in. Node has it, and its types do not; other runtimes lack it. */
interface Enclosing {
  getEnclosingLineNumber(): number
  getEnclosingColumnNumber(): number
}

function pathOf(name: string): string {
  if (!name.startsWith('file:')) return name
  try {
    return fileURLToPath(name)
  } catch {
    return name // any text may stand behind a `sourceURL`
  }
}
