/**
 * The part of `@s18i/lark` that the other packages of this repository use. Users should not use this entry:
 * it may change with every release, and only packages that are released together with this package may use
 * it. The entry includes all exports of the entry `config`, so that a process that only dispatches jobs loads
 * one entry instead of two.
 *
 * @module @s18i/lark/internal
 */
export { branded } from './brand.ts'
export * from './config.ts'
export { defined } from './defined.ts'
export { isError, placeOf, usageError } from './errors.ts'
export { declaresClass, exportedValues, importModule, type Module } from './project/module.ts'
export { packageRoot, projectFolders } from './project/project.ts'
export { codeFiles, sourceFiles, sourceFolders } from './project/sources.ts'
export { stubPlace, writeStub } from './project/stub.ts'
export { type SyntaxNode, syntaxOf } from './project/syntax.ts'
export { excerpt } from './words/excerpt.ts'
export { nearest } from './words/nearest.ts'
export { visible, visibleLines } from './words/visible.ts'
