/**
 * Parses a source file in JavaScript or TypeScript, for commands that inspect the code of an application. The
 * parser comes with jiti, so the application need not install one.
 */
import type { TransformOptions } from 'jiti'

/**
 * A node of the syntax, as Babel's parser makes it:
 * https://github.com/babel/babel/blob/main/packages/babel-parser/ast/spec.md
 */
export interface SyntaxNode {
  readonly type: string
  readonly loc?: { readonly start: { readonly line: number; readonly column: number } } | null
  readonly [field: string]: unknown
}

type Transform = (options: TransformOptions) => string
let transform: Transform | undefined

/**
 * Parses a file. The first call loads the parser, which takes about 0.2 s.
 *
 * @param text the text of the file
 * @param file the path of the file. The extension of the path decides the language: `.tsx` and `.jsx` may
 *   contain JSX elements
 * @returns the syntax tree of the file, or undefined if the text cannot be parsed
 * @example const program = syntaxOf(await readFile(file, 'utf8'), file)
 */
export function syntaxOf(text: string, file: string): SyntaxNode | undefined {
  transform ??= loadTransform()
  let program: SyntaxNode | undefined
  const plugin = () => ({
    pre({ ast }: { ast: { program: SyntaxNode } }) {
      program = ast.program
      // This error ends the work of jiti after parsing, because the transformation would take most of the
      // time. jiti reports an error of a plugin like a syntax error.
      throw new Error('parsed')
    },
  })
  const source = text.startsWith('#!') ? `//${text}` : text
  transform({
    source,
    filename: file,
    ts: !/\.[cm]?jsx?$/.test(file),
    jsx: /\.[jt]sx$/.test(file),
    babel: { plugins: [plugin] },
  })
  return program
}

function loadTransform(): Transform {
  // A plain import would make bundlers include jiti without its compiler (see `module.ts`).
  const { createRequire } = process.getBuiltinModule('node:module')
  const { createJiti } = createRequire(import.meta.url)('jiti') as typeof import('jiti')
  return createJiti(import.meta.url, { fsCache: false }).transform
}
