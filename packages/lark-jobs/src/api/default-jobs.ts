/**
 * The default instance of `Jobs`. A process has only one default instance, even if it loads several copies of
 * this package, such as an ES module, a CommonJS module and a copy inside a bundle. The default instance uses
 * the configuration that was passed to `Jobs.configure()`. Without such a call, it looks for a `lark.config`
 * when it is first used.
 */
import { loadAround, loadSettings } from '../config/config.ts'
import { insideOf, symbolPrefix } from '../model/copies.ts'
import { Inside } from './inside.ts'
import { Jobs as Instance } from './jobs.ts'

const slot = Symbol.for(symbolPrefix)
const place = globalThis as { [slot]?: Instance }

place[slot] ??= new Instance(new Inside(loadSettings, loadAround))
export const Jobs: Instance = place[slot]
export type Jobs = Instance
/** The inside of the default instance, through which jobs and drafts are dispatched. @internal */
export const jobsInside: Inside = insideOf(Jobs)
