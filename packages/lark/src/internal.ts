/**
 * What the other packages of this repository need of the console, and no user should: it may change with
 * every release, and it is for these packages alone, which are released together with this one. It has what
 * the entry `config` has, so that a process that only dispatches loads one of the two.
 *
 * @module @s18i/lark/internal
 */
export { branded } from './brand.ts'
export * from './config.ts'
export { isError, placeOf, usageError } from './errors.ts'
export { excerpt } from './excerpt.ts'
export { declaresClass, exportedValues, importModule, type Module } from './module.ts'
export { nearest } from './nearest.ts'
export { packageRoot, projectFolders } from './project.ts'
export { codeFiles, sourceFiles, sourceFolders } from './sources.ts'
export { type SyntaxNode, syntaxOf } from './syntax.ts'
export { visible, visibleLines } from './visible.ts'
