/**
 * Finds the names of BullMQ that a code base uses, with the help of types: with the TypeScript of the
 * application, its `tsconfig`, and the installed types of BullMQ. So this file also finds uses that the
 * syntax does not show: an object that comes from a `Map`, a class that extends a queue, or an object literal
 * that is used as options in another file.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type ComparedTopic, comparisonOf } from '../compared/compared.ts'
import {
  type BullKind,
  classes,
  inner,
  isTelling,
  listening,
  mentionsBullMQ,
  optionTypes,
} from './bull-names.ts'
import type {
  Compiler,
  MemberAccess,
  NameSymbol,
  ObjectLiteral,
  Property,
  SourceFile,
  SyntaxPart,
  Type,
  TypeChecker,
  TypedProgram,
} from './compiler.ts'
import { type BullUse, type Unfollowed, unfollowedCall } from './usage.ts'

/** The uses of BullMQ in one file. */
export interface TypedFile {
  uses: BullUse[]
  unfollowed: Unfollowed[]
}

export interface TypedUsage {
  /** The version of the compiler that was used. */
  version?: string
  /** Why no types were used. */
  because?: string
  /** The files by path. A file that belongs to no program is missing. */
  files: ReadonlyMap<string, TypedFile>
}

const OF_BULLMQ = /[\\/](?:node_modules[\\/]bullmq|@s18i[\\/]lark-bullmq|packages[\\/]lark-bullmq)[\\/]/

/** @param files the files that may use BullMQ */
export function typedUsage(root: string, files: readonly string[]): TypedUsage {
  const read = new Map<string, TypedFile>()
  const found = compilerOf(root)
  if ('because' in found) return { because: found.because, files: read }
  const { compiler } = found
  const open = new Set(files)
  let knowsBullMQ = false
  for (const file of files) {
    if (!open.has(file)) continue
    const program = programWith(compiler, file)
    for (const other of program === undefined ? [] : open) {
      const source = program!.getSourceFile(other)
      if (source === undefined) continue
      open.delete(other)
      const typed = new FileTypes(compiler, program!.getTypeChecker(), source)
      knowsBullMQ ||= typed.knowsBullMQ
      read.set(other, { uses: typed.uses, unfollowed: typed.unfollowed })
    }
  }
  if (read.size === 0) return { because: 'no tsconfig.json has these files', files: read }
  if (!knowsBullMQ) return { because: 'the types of bullmq are not installed', files: new Map() }
  return { version: compiler.version, files: read }
}

function compilerOf(root: string): { compiler: Compiler } | { because: string } {
  let compiler: Partial<Compiler>
  try {
    compiler = createRequire(join(root, 'package.json'))('typescript')
  } catch {
    return { because: 'TypeScript is not installed' }
  }
  if (typeof compiler.createProgram === 'function') return { compiler: compiler as Compiler }
  return { because: `TypeScript ${compiler.version} has no interface for programs` }
}

/**
 * The program to which a file belongs, according to the nearest `tsconfig.json` or to another `tsconfig.json`
 * that it refers to.
 */
function programWith(compiler: Compiler, file: string): TypedProgram | undefined {
  const config = compiler.findConfigFile(dirname(file), compiler.sys.fileExists)
  const seen = new Set<string>()
  const open = config === undefined ? [] : [config]
  for (let path = open.shift(); path !== undefined; path = open.shift()) {
    if (seen.has(path)) continue
    seen.add(path)
    const json = compiler.readConfigFile(path, compiler.sys.readFile).config ?? {}
    const { fileNames, options, projectReferences } = compiler.parseJsonConfigFileContent(
      json,
      compiler.sys,
      dirname(path),
    )
    if (fileNames.some((name) => join(name) === file))
      return compiler.createProgram(fileNames, { ...options, noEmit: true, skipLibCheck: true })
    open.push(...(projectReferences ?? []).map((each) => compiler.resolveProjectReferencePath(each)))
  }
  return undefined
}

/** One file, read by its types. */
class FileTypes {
  readonly uses: BullUse[] = []
  readonly unfollowed: Unfollowed[] = []
  /** Whether the file has objects of BullMQ, by their types. */
  knowsBullMQ = false
  readonly #compiler: Compiler
  readonly #checker: TypeChecker
  readonly #source: SourceFile
  readonly #seen = new Set<SyntaxPart>()

  constructor(compiler: Compiler, checker: TypeChecker, source: SourceFile) {
    this.#compiler = compiler
    this.#checker = checker
    this.#source = source
    this.#visit(source)
    // Methods of other libraries may have the same names. So calls that cannot be followed are dropped if the
    // file uses nothing of BullMQ.
    if (!this.knowsBullMQ && !mentionsBullMQ(source.text)) this.unfollowed.length = 0
  }

  #visit(node: SyntaxPart): void {
    const { isCallExpression, isNewExpression, isObjectLiteralExpression, isPropertyAccessExpression } =
      this.#compiler
    if (isPropertyAccessExpression(node)) this.#useMember(node)
    if (isObjectLiteralExpression(node)) this.#useLiteral(node)
    if (isCallExpression(node) || isNewExpression(node))
      for (const given of node.arguments ?? []) this.#useGiven(given)
    this.#compiler.forEachChild(node, (child) => this.#visit(child))
  }

  #useMember(node: MemberAccess): void {
    const type = this.#checker.getTypeAtLocation(node.expression)
    const name = node.name.text
    const call =
      node.parent !== undefined &&
      this.#compiler.isCallExpression(node.parent) &&
      node.parent.expression === node
        ? node.parent
        : undefined
    if (this.#isUnknown(type)) {
      if (call && isTelling(name))
        this.unfollowed.push({ what: unfollowedCall(name), line: this.#placeOf(node.name).line })
      return
    }
    const kind = this.#kindOf(type)
    if (kind === undefined) return
    if (type.getConstructSignatures().length > 0) {
      if (kind === 'Job' || kind === 'Worker') this.#found(`static methods of ${kind}`, name, node.name)
      return
    }
    if (!call) {
      const topic = `properties of ${kind}` as const
      if (comparisonOf(topic, name)?.[0] !== 'same') this.#found(topic, name, node.name)
      return
    }
    if (!listening.has(name)) {
      this.#found(`methods of ${kind}`, name, node.name)
      return
    }
    const [event] = call.arguments ?? []
    if (event !== undefined && this.#compiler.isStringLiteral(event) && kind !== 'Job')
      this.#found(`events of ${kind}`, event.text, event)
  }

  /** Notes the options in an object literal whose type is a type of options. */
  #useLiteral(node: ObjectLiteral): void {
    const type = this.#checker.getContextualType(node)
    const topic = type && this.#topicOf(type)
    if (topic === undefined) return
    for (const property of node.properties) {
      const name = property.name && this.#textOf(property.name)
      if (name === undefined) continue
      const declared = this.#checker.getPropertyOfType(this.#checker.getNonNullableType(type!), name)
      // A type of the application or of Nest may add options that are not BullMQ's.
      if (declared !== undefined && !(declared.declarations ?? []).some(isOfBullMQ)) continue
      if (declared !== undefined) this.#foundOption(topic, name, property)
      this.#useInner(name, property)
    }
  }

  /** Notes the options of an object inside options. The type of such an object may have no name. */
  #useInner(name: string, property: Property): void {
    const topic = inner[name]
    if (topic === undefined || !this.#compiler.isPropertyAssignment(property)) return
    if (!this.#compiler.isObjectLiteralExpression(property.initializer)) return
    for (const each of property.initializer.properties) {
      const own = each.name && this.#textOf(each.name)
      if (own !== undefined) this.#foundOption(topic, own, each)
    }
  }

  /**
   * Notes the options in an argument that is not an object literal. The type of the argument may lead to the
   * literal. If it does not, the argument cannot be followed.
   */
  #useGiven(given: SyntaxPart): void {
    const { isObjectLiteralExpression, isFunctionLike, isPropertyAssignment } = this.#compiler
    if (isObjectLiteralExpression(given) || isFunctionLike(given)) return
    const contextual = this.#checker.getContextualType(given)
    const topic = contextual && this.#topicOf(contextual)
    if (topic === undefined) return
    const type = this.#checker.getTypeAtLocation(given)
    if (this.#isUnknown(type)) {
      this.unfollowed.push({ what: topic, line: this.#placeOf(given).line })
      return
    }
    for (const property of this.#checker.getNonNullableType(type).getProperties())
      for (const declaration of property.declarations ?? [])
        if (isPropertyAssignment(declaration) && declaration.getSourceFile() === this.#source) {
          this.#foundOption(topic, property.name, declaration)
          this.#useInner(property.name, declaration)
        }
  }

  #isUnknown({ flags }: Type): boolean {
    const { Any, Unknown } = this.#compiler.TypeFlags
    return (flags & (Any | Unknown)) !== 0
  }

  /** The class of BullMQ that a type is, or that the type extends. */
  #kindOf(type: Type): Exclude<BullKind, 'Job[]'> | undefined {
    for (const symbol of this.#symbolsOf(type))
      if (classes.includes(symbol.name)) return symbol.name as Exclude<BullKind, 'Job[]'>
    return undefined
  }

  #topicOf(type: Type): ComparedTopic | undefined {
    for (const symbol of this.#symbolsOf(type)) {
      const topic = Object.hasOwn(optionTypes, symbol.name) ? optionTypes[symbol.name] : undefined
      if (topic !== undefined) return topic
    }
    return undefined
  }

  /** The classes and types of BullMQ that a type consists of, the nearest first. */
  *#symbolsOf(type: Type): Generator<NameSymbol> {
    // `getApparentType` turns the type of `this` into the class of the object.
    const open = [this.#checker.getApparentType(this.#checker.getNonNullableType(type))]
    const seen = new Set<Type>()
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      if (seen.has(next)) continue
      seen.add(next)
      for (const symbol of [next.aliasSymbol, next.getSymbol()]) {
        if (!(symbol?.declarations ?? []).some(isOfBullMQ)) continue
        this.knowsBullMQ = true
        yield symbol!
      }
      if (next.isUnionOrIntersection()) open.push(...next.types)
      open.push(...(next.getBaseTypes() ?? []), ...(next.target === undefined ? [] : [next.target]))
    }
  }

  #textOf(name: SyntaxPart): string | undefined {
    const { isIdentifier, isStringLiteral } = this.#compiler
    return isIdentifier(name) || isStringLiteral(name) ? name.text : undefined
  }

  /** Notes an option, unless the class accepts the option because its value turns the option off. */
  #foundOption(topic: ComparedTopic, name: string, at: Property): void {
    const value = this.#compiler.isPropertyAssignment(at) ? at.initializer.getText(this.#source) : ''
    const isOff = value === 'false' || value === 'undefined'
    if (isOff && comparisonOf(topic, name)?.[0] === 'missing') return
    this.#found(topic, name, at, true)
  }

  #found(topic: ComparedTopic, name: string, at: SyntaxPart, isOption = false): void {
    if (this.#seen.has(at) || (!isOption && comparisonOf(topic, name) === undefined)) return
    this.#seen.add(at)
    this.uses.push({ topic, name, ...this.#placeOf(at), isAtStart: !isOption && this.#isAtStart(at) })
  }

  #placeOf(node: SyntaxPart): { line: number; column: number } {
    const { line, character } = this.#source.getLineAndCharacterOfPosition(node.getStart(this.#source))
    return { line: line + 1, column: character }
  }

  /** Whether the code runs when the file is loaded, or when its object is made. */
  #isAtStart(node: SyntaxPart): boolean {
    const { isConstructorDeclaration, isFunctionLike } = this.#compiler
    for (let at: SyntaxPart | undefined = node.parent; at !== undefined; at = at.parent)
      if (isFunctionLike(at) && !isConstructorDeclaration(at)) return false
    return true
  }
}

function isOfBullMQ(declaration: SyntaxPart): boolean {
  return OF_BULLMQ.test(declaration.getSourceFile().fileName)
}
