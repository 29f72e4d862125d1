/**
 * The default instance of `Jobs`. A process has one, however many copies of this package it loads: one that was imported,
 * one inside a bundle, one of CommonJS. It uses the configuration that `Jobs.configure()` was given, otherwise the
 * `lark.config` that it finds when it is first used.
 */
import { loadAround, loadSettings } from '../config/config.ts'
import { Jobs as Instance } from './jobs.ts'

/** With the major version, because `Job` may ask something else of the instance in another one. */
const slot = Symbol.for('s18i.lark.jobs@0')
const shared = globalThis as { [slot]?: Instance }

shared[slot] ??= new Instance(loadSettings, loadAround)
export const Jobs: Instance = shared[slot]
export type Jobs = Instance
