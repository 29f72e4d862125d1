/**
 * The default instance of `Jobs`. A process has one, however many copies of this package it loads: one that
 * was imported, one inside a bundle, one of CommonJS. It uses the configuration that `Jobs.configure()` was
 * given, otherwise the `lark.config` that it finds when it is first used.
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
/** The inside with which jobs and drafts dispatch. @internal */
export const jobsInside: Inside = insideOf(Jobs)
