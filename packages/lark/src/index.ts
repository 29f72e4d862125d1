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
export {
  type ArgumentOptions,
  arg,
  type FlagOptions,
  type FlagWithValue,
  flag,
  type ListFlagOptions,
  type NumberFlagOptions,
} from './command/arguments.ts'
export {
  type CallResult,
  Command,
  type CommandClass,
  type CommandInput,
  type CommandResult,
} from './command/command.ts'
export { defineConfig, type LarkConfig } from './config.ts'
export { Console, type ConsoleOptions, type Reader, type Style, type Writer } from './console/console.ts'
export type { LiveOptions } from './console/live.ts'
export type { LineLevel, Log } from './console/log-console.ts'
export { MemoryConsole } from './console/memory-console.ts'
export type { Progress, ProgressOptions } from './console/progress.ts'
export type { Answer, Choice, Prompt, Validate } from './console/prompt.ts'
export type { Spinner } from './console/spinner.ts'
export { LarkError, type LarkErrorCode, type LarkErrorOptions, larkErrors } from './errors.ts'
export type { InitExample, InitPart, InitProject } from './init/part.ts'
export { shellWord } from './words/shell-word.ts'
export { visible } from './words/visible.ts'
