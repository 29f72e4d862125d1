/**
 * A console framework for Node: commands as classes, typed arguments, one configuration file.
 *
 * @module @s18i/lark
 */
export {
  type CallOptions,
  callCommand,
  type FoundCommand,
  findCommands,
  type RunOptions,
  run,
} from './application.ts'
export { type ArgumentOptions, arg, type FlagOptions, flag, type NumberFlagOptions } from './arguments.ts'
export { type Called, Command, type CommandClass, type CommandInput, type CommandResult } from './command.ts'
export { defineConfig, type LarkConfig } from './config.ts'
export { Console, type ConsoleOptions, type Reader, type Style, type Writer } from './console.ts'
export { LarkError, type LarkErrorCode, type LarkErrorOptions, larkErrors } from './errors.ts'
export type { InitExample, InitPart, InitProject } from './init/part.ts'
export type { LiveOptions } from './live.ts'
export type { LineLevel, Log } from './log-console.ts'
export { MemoryConsole } from './memory-console.ts'
export type { Progress, ProgressOptions } from './progress.ts'
export type { Answer, Choice, Prompt, Validate } from './prompt.ts'
export { shellWord } from './shell-word.ts'
export type { Spinner } from './spinner.ts'
export { stubPlace, writeStub } from './stub.ts'
export { visible } from './visible.ts'
