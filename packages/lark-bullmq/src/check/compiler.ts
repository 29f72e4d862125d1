/**
 * The part of TypeScript's interface that `jobs:check-bullmq` uses. TypeScript 4.9 to 6 export these names
 * with the same types. TypeScript 7 has another interface.
 */

export interface SyntaxPart {
  readonly parent: SyntaxPart | undefined
  getStart(source: SourceFile): number
  getText(source: SourceFile): string
  getSourceFile(): SourceFile
}

export interface SourceFile extends SyntaxPart {
  readonly fileName: string
  readonly text: string
  getLineAndCharacterOfPosition(position: number): { line: number; character: number }
}

interface NameOfProperty extends SyntaxPart {
  readonly text: string
}

export interface Property extends SyntaxPart {
  readonly name?: SyntaxPart
}

interface PropertyAssignment extends Property {
  readonly initializer: SyntaxPart
}

export interface ObjectLiteral extends SyntaxPart {
  readonly properties: readonly Property[]
}

interface Call extends SyntaxPart {
  readonly expression: SyntaxPart
  readonly arguments?: readonly SyntaxPart[]
}

export interface MemberAccess extends SyntaxPart {
  readonly expression: SyntaxPart
  readonly name: NameOfProperty
}

export interface NameSymbol {
  readonly name: string
  readonly declarations?: readonly SyntaxPart[]
}

export interface Type {
  readonly flags: number
  readonly aliasSymbol?: NameSymbol
  /** The generic class of which this type is an instance. */
  readonly target?: Type
  getSymbol(): NameSymbol | undefined
  getProperties(): readonly NameSymbol[]
  getConstructSignatures(): readonly unknown[]
  getBaseTypes(): readonly Type[] | undefined
  isUnionOrIntersection(): this is Type & { readonly types: readonly Type[] }
}

export interface TypeChecker {
  getTypeAtLocation(part: SyntaxPart): Type
  getContextualType(part: SyntaxPart): Type | undefined
  getNonNullableType(type: Type): Type
  getApparentType(type: Type): Type
  getPropertyOfType(type: Type, name: string): NameSymbol | undefined
}

export interface TypedProgram {
  getSourceFile(path: string): SourceFile | undefined
  getTypeChecker(): TypeChecker
}

interface ProjectReference {
  readonly path: string
}

export interface Compiler {
  readonly version: string
  readonly TypeFlags: { readonly Any: number; readonly Unknown: number }
  readonly sys: {
    fileExists(path: string): boolean
    readFile(path: string): string | undefined
  }
  findConfigFile(folder: string, exists: (path: string) => boolean): string | undefined
  readConfigFile(path: string, read: (path: string) => string | undefined): { config?: unknown }
  parseJsonConfigFileContent(
    config: unknown,
    host: Compiler['sys'],
    folder: string,
  ): { fileNames: string[]; options: object; projectReferences?: readonly ProjectReference[] }
  resolveProjectReferencePath(reference: ProjectReference): string
  createProgram(files: readonly string[], options: object): TypedProgram
  forEachChild(part: SyntaxPart, visit: (child: SyntaxPart) => void): void
  isCallExpression(part: SyntaxPart): part is Call
  isNewExpression(part: SyntaxPart): part is Call
  isPropertyAccessExpression(part: SyntaxPart): part is MemberAccess
  isObjectLiteralExpression(part: SyntaxPart): part is ObjectLiteral
  isPropertyAssignment(part: SyntaxPart): part is PropertyAssignment
  isConstructorDeclaration(part: SyntaxPart): boolean
  isFunctionLike(part: SyntaxPart): boolean
  isIdentifier(part: SyntaxPart): part is NameOfProperty
  isStringLiteral(part: SyntaxPart): part is NameOfProperty
}
