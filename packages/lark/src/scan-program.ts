/**
 * The path of the program that imports command files (`catalog/scanner.ts`). It is written so that a bundler
 * can read it: Turbopack refuses to build an application that starts a process with a path that it cannot
 * follow. The file is in this folder because the path from here is right both for the sources, which tests
 * use, and for the built package.
 */
import { fileURLToPath } from 'node:url'

export const scanProgram = fileURLToPath(new URL('../dist/scan.js', import.meta.url))
