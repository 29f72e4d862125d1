/**
 * The path of the program that imports command files (`catalog/scanner.ts`). The expression has a form that a
 * bundler can read: Turbopack refuses to build an application that starts a process with a path that
 * Turbopack cannot resolve. This file is in `src` itself, so that the relative path is right both for the
 * sources, which tests use, and for the built package.
 */
import { fileURLToPath } from 'node:url'

export const scanProgram = fileURLToPath(new URL('../dist/scan.js', import.meta.url))
