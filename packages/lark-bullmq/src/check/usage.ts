/**
 * Finds the names of BullMQ that a code base uses: the names that it imports, the options that it writes, and
 * the methods and events of the objects that it makes. This file reads only the syntax. It recognises objects
 * by their classes, by their types, and by the calls that return them. A name is known in its file, and an
 * exported name also in the files that import it.
 */
import type { SyntaxNode } from '@s18i/lark/internal'
import { type ComparedTopic, comparisonOf, ofNest } from '../compared/compared.ts'
import {
  BOARD,
  type BullKind,
  classes,
  inner,
  isTelling,
  LIBRARY,
  listening,
  looping,
  NEST,
  ofJobs,
  optionTypes,
  returned,
} from './bull-names.ts'
import {
  isFunction,
  isNode,
  isOff,
  isThis,
  listOf,
  loadedBy,
  nameOf,
  objectIn,
  pathOf,
  textOf,
  walk,
} from './nodes.ts'

/** A use of BullMQ in a file. */
export interface BullUse {
  topic: ComparedTopic
  name: string
  line: number
  column: number
  /** Whether this code runs when the application starts, according to this file. */
  isAtStart: boolean
}

/** A place in the code that uses BullMQ in a way that cannot be followed. */
export interface Unfollowed {
  /** The use, such as `options of Worker`. */
  what: string
  line: number
}

/** A call of a method of BullMQ on an object whose class is not known. */
export function unfollowedCall(method: string): string {
  return `the object of ${method}()`
}

/** The names of BullMQ that a file exports, perhaps under other names. */
export interface Reexports {
  /** The name in BullMQ, by the name under which it is exported. */
  names: ReadonlyMap<string, string>
  /** Whether the file exports all names of BullMQ. */
  all: boolean
}

/**
 * The kind of each object, by the text with which the file names the object: `queue`, `this.queue`,
 * `makeQueue()`, and for members of a class `Queues.mail` and `Queues.get()`.
 */
type Kinds = ReadonlyMap<string, BullKind>

/** Matches the kinds of expressions from which options cannot be read. */
const isUnfollowed = /^(?:Identifier|(?:Optional)?(?:Member|Call)Expression|AwaitExpression)$/

function lineOf(node: SyntaxNode): number {
  return node.loc?.start.line ?? 0
}

/**
 * The name of a file that an import names, without its folder and its extension. For an index file, the name
 * of its folder.
 */
export function fileNameOf(path: string): string {
  const parts = path.replace(/\.[cm]?[jt]sx?$/, '').split(/[\\/]/)
  return (parts.at(-1) === 'index' ? parts.at(-2) : parts.at(-1)) ?? ''
}

function isOfBullMQ(name: string): boolean {
  return comparisonOf('exports', name) !== undefined || comparisonOf('types', name) !== undefined
}

/** The uses of BullMQ in one file. */
export class FileUsage {
  readonly uses: BullUse[] = []
  readonly unfollowed: Unfollowed[] = []
  /** The objects of BullMQ that other files may import from this file. */
  readonly exported = new Map<string, BullKind>()
  /** The name in BullMQ of each imported name in the file. */
  readonly #imported = new Map<string, string>()
  /** For each imported decorator of Nest, its name in Nest. */
  readonly #nest = new Map<string, string>()
  readonly #kinds = new Map<string, BullKind>()
  /** The objects of options that variables hold. */
  readonly #values = new Map<string, SyntaxNode>()
  /** The names of namespace imports, such as `import * as bull from 'bullmq'`. */
  readonly #spaces = new Set<string>()
  readonly #seen = new Map<string, BullUse>()
  /** The class whose members are being read. */
  #class: string | undefined
  #isAtStart = true
  readonly #reexported = new Map<string, string>()
  #reexportsAll = false

  /**
   * @param others objects that other files export, by their names
   * @param reexports the names that files export again, by the name of the file without its folder and its
   *   extension
   */
  constructor(
    program: SyntaxNode,
    others: Kinds = new Map(),
    reexports: ReadonlyMap<string, Reexports> = new Map(),
  ) {
    // The file is read twice, because code may use a name before its declaration (in a method above the
    // constructor), and a name may depend on another name.
    const called = new Set<string>()
    walk(program, (node, isAtStart) => {
      this.#import(node, others, reexports)
      const name = isAtStart && node.type === 'CallExpression' ? nameOf(node.callee) : undefined
      if (name !== undefined) called.add(name)
    })
    for (let time = 0; time < 2; time++) walk(program, (node) => this.#know(node))
    walk(
      program,
      (node, isAtStart) => {
        this.#isAtStart = isAtStart
        this.#use(node)
      },
      called,
    )
    walk(program, (node) => this.#export(node))
    this.uses.sort((one, other) => one.line - other.line)
  }

  /** Whether the file imports BullMQ, or an object of BullMQ from another file. */
  get isConcerned(): boolean {
    return this.#imported.size + this.#spaces.size + this.#nest.size + this.#kinds.size > 0
  }

  /** The names of BullMQ that other files may import from this file. */
  get reexports(): Reexports | undefined {
    if (this.#reexported.size === 0 && !this.#reexportsAll) return undefined
    return { names: this.#reexported, all: this.#reexportsAll }
  }

  #import(node: SyntaxNode, others: Kinds, reexports: ReadonlyMap<string, Reexports>): void {
    if (/^Export(?:All|Named)Declaration$/.test(node.type) && LIBRARY.test(textOf(node.source) ?? '')) {
      if (node.type === 'ExportAllDeclaration') this.#reexportsAll = true
      for (const specifier of listOf(node.specifiers)) {
        const name = nameOf(specifier.local)
        if (name === undefined) continue
        this.#reexported.set(nameOf(specifier.exported) ?? name, name)
        this.#found('exports', name, specifier) || this.#found('types', name, specifier)
      }
    }
    if (node.type === 'ImportDeclaration') {
      const from = textOf(node.source)
      const again = from === undefined ? undefined : reexports.get(fileNameOf(from))
      for (const specifier of listOf(node.specifiers)) {
        const local = nameOf(specifier.local)
        const name = nameOf(specifier.imported) ?? textOf(specifier.imported)
        if (local === undefined) continue
        if (from !== undefined && LIBRARY.test(from)) this.#take(local, name, specifier)
        else if (from !== undefined && NEST.test(from) && name !== undefined)
          this.#takeNest(local, name, specifier)
        else if (again?.names.has(name ?? '')) this.#take(local, again.names.get(name!), specifier)
        else if (again?.all && name !== undefined && isOfBullMQ(name)) this.#take(local, name, specifier)
        else if (from !== undefined && BOARD.test(from)) this.#found('bull-board', name ?? local, specifier)
        else this.#takeOther(local, name ?? local, others)
      }
    }
    const from = node.type === 'VariableDeclarator' ? loadedBy(node.init) : undefined
    const target = node.id as SyntaxNode
    if (from !== undefined && BOARD.test(from))
      for (const property of listOf(target.properties))
        this.#found('bull-board', nameOf(property.key) ?? '', property)
    if (from === undefined || !LIBRARY.test(from)) return
    if (target.type === 'Identifier') this.#spaces.add(nameOf(target)!)
    for (const property of listOf(target.properties)) {
      const local = nameOf(property.value)
      if (local !== undefined) this.#take(local, nameOf(property.key), property)
    }
  }

  #take(local: string, name: string | undefined, at: SyntaxNode): void {
    if (name === undefined) {
      this.#spaces.add(local)
      return
    }
    this.#imported.set(local, name)
    this.#found('exports', name, at) || this.#found('types', name, at)
  }

  /** Takes over what another file exports: a variable, a function, or the members of a class. */
  #takeOther(local: string, name: string, others: Kinds): void {
    for (const [path, kind] of others) {
      const rest = path.startsWith(name) ? path.slice(name.length) : undefined
      if (rest !== undefined && /^([.(]|$)/.test(rest)) this.#kinds.set(`${local}${rest}`, kind)
    }
  }

  #takeNest(local: string, name: string, at: SyntaxNode): void {
    this.#nest.set(local, name)
    this.#found('Nest', name, at)
  }

  /**
   * The name in BullMQ of the class or type that an expression or a type names. Undefined if it names no
   * class or type of BullMQ.
   */
  #bullName(node: unknown): string | undefined {
    if (!isNode(node)) return undefined
    const { type } = node
    if (type === 'Identifier') return this.#imported.get(nameOf(node)!)
    const [space, name] =
      type === 'MemberExpression'
        ? [node.object, node.property]
        : type === 'TSQualifiedName'
          ? [node.left, node.right]
          : []
    return this.#spaces.has(nameOf(space) ?? '') ? nameOf(name) : undefined
  }

  #kindOfType(annotation: unknown): BullKind | undefined {
    if (!isNode(annotation)) return undefined
    if (annotation.type === 'TSTypeAnnotation') return this.#kindOfType(annotation.typeAnnotation)
    if (annotation.type === 'TSUnionType')
      return listOf(annotation.types)
        .map((each) => this.#kindOfType(each))
        .find((kind) => kind !== undefined)
    if (annotation.type === 'TSArrayType')
      return this.#kindOfType(annotation.elementType) === 'Job' ? 'Job[]' : undefined
    if (annotation.type !== 'TSTypeReference') return undefined
    const name = this.#bullName(annotation.typeName)
    if (name !== undefined && classes.includes(name)) return name as BullKind
    const parameters = annotation.typeParameters ?? annotation.typeArguments
    const [inside] = isNode(parameters) ? listOf(parameters.params) : []
    return nameOf(annotation.typeName) === 'Promise' ? this.#kindOfType(inside) : undefined
  }

  #kindOf(node: unknown): BullKind | undefined {
    if (!isNode(node)) return undefined
    switch (node.type) {
      case 'Identifier':
        return this.#kinds.get(nameOf(node)!)
      case 'AwaitExpression':
        return this.#kindOf(node.argument)
      case 'TSNonNullExpression':
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
      case 'ParenthesizedExpression':
        return this.#kindOfType(node.typeAnnotation) ?? this.#kindOf(node.expression)
      case 'LogicalExpression':
        return this.#kindOf(node.left) ?? this.#kindOf(node.right)
      case 'AssignmentExpression':
        return this.#kindOf(node.right)
      case 'NewExpression': {
        const name = this.#bullName(node.callee)
        return name !== undefined && classes.includes(name) ? (name as BullKind) : undefined
      }
      case 'MemberExpression':
      case 'OptionalMemberExpression':
        return this.#kinds.get(pathOf(node) ?? '')
      case 'CallExpression':
      case 'OptionalCallExpression':
        return this.#kindOfCall(node)
      default:
        return undefined
    }
  }

  #kindOfCall({ callee }: SyntaxNode): BullKind | undefined {
    if (!isNode(callee)) return undefined
    const known = this.#kinds.get(`${pathOf(callee)}()`)
    if (known !== undefined) return known
    const method = nameOf(callee.property) ?? ''
    const of = this.#kindOf(callee.object) ?? this.#bullName(callee.object)
    // `worker.on()` returns the worker.
    if (listening.has(method) && of !== 'Job' && classes.includes(of ?? '')) return of as BullKind
    return of === 'Queue' || of === 'Worker' || of === 'Job' ? returned[method] : undefined
  }

  #know(node: SyntaxNode): void {
    switch (node.type) {
      case 'VariableDeclarator':
        this.#name(node.id, this.#kindOf(node.init))
        if (isFunction(node.init)) this.#set(`${nameOf(node.id)}()`, this.#kindOfType(node.init.returnType))
        if (isNode(node.init)) this.#keepValue(nameOf(node.id), node.init)
        break
      case 'AssignmentExpression':
        this.#name(node.left, this.#kindOf(node.right))
        break
      case 'ClassProperty':
      case 'PropertyDefinition':
      case 'ClassPrivateProperty':
        this.#nameOwn(
          nameOf(node.key),
          this.#kindOfType(node.typeAnnotation) ?? this.#kindOf(node.value),
          node,
        )
        if (isNode(node.value)) this.#keepValue(`this.${nameOf(node.key)}`, node.value)
        break
      case 'TSParameterProperty': {
        const parameter = node.parameter as SyntaxNode
        this.#nameOwn(nameOf(parameter), this.#kindOfType(parameter.typeAnnotation))
        break
      }
      case 'ClassMethod':
      case 'ClassPrivateMethod':
        this.#nameOwn(`${nameOf(node.key)}()`, this.#kindOfType(node.returnType), node)
        break
      case 'FunctionDeclaration':
        this.#set(`${nameOf(node.id)}()`, this.#kindOfType(node.returnType))
        break
      case 'ClassDeclaration':
        this.#class = nameOf(node.id)
        this.#knowHost(node)
        break
      case 'ForOfStatement': {
        const [declared] = isNode(node.left) ? listOf(node.left.declarations) : []
        if (this.#kindOf(node.right) === 'Job[]') this.#name(declared?.id, 'Job')
        break
      }
      case 'Identifier':
        if (node.typeAnnotation) this.#name(node, this.#kindOfType(node.typeAnnotation))
        break
      case 'NewExpression':
        if (this.#bullName(node.callee) === 'Worker') this.#nameParameter(listOf(node.arguments)[1], 'Job')
        break
      case 'CallExpression':
        this.#knowCallback(node)
        break
      default:
    }
  }

  /** A class of Nest that runs jobs, or listens to the events of a queue. */
  #knowHost({ superClass, body }: SyntaxNode): void {
    const host = this.#nest.get(nameOf(superClass) ?? '')
    if (host === 'QueueEventsHost') this.#set('this.queueEvents', 'QueueEvents')
    if (host !== 'WorkerHost') return
    this.#set('this.worker', 'Worker')
    for (const member of isNode(body) ? listOf(body.body) : []) {
      const isHeard = listOf(member.decorators).some(({ expression }) => {
        const { callee, arguments: given } = isNode(expression) ? expression : ({} as SyntaxNode)
        return (
          this.#nest.get(nameOf(callee) ?? '') === 'OnWorkerEvent' &&
          ofJobs.has(textOf(listOf(given)[0]) ?? '')
        )
      })
      if (isHeard || nameOf(member.key) === 'process') this.#name(listOf(member.params)[0], 'Job')
    }
  }

  #knowCallback({ callee, arguments: given }: SyntaxNode): void {
    if (!isNode(callee)) return
    const method = nameOf(callee.property) ?? ''
    const [first, second] = listOf(given)
    if (looping.has(method) && this.#kindOf(callee.object) === 'Job[]') this.#nameParameter(first, 'Job')
    if (listening.has(method) && this.#kindOf(callee.object) === 'Worker' && ofJobs.has(textOf(first) ?? ''))
      this.#nameParameter(second, 'Job')
  }

  #nameParameter(given: unknown, kind: BullKind): void {
    if (isFunction(given)) this.#name(listOf(given.params)[0], kind)
  }

  #name(target: unknown, kind: BullKind | undefined): void {
    if (kind === undefined || !isNode(target)) return
    if (target.type === 'Identifier') this.#kinds.set(nameOf(target)!, kind)
    if (target.type === 'AssignmentPattern') this.#name(target.left, kind)
    if (target.type === 'MemberExpression' && isThis(target.object))
      this.#nameOwn(nameOf(target.property), kind)
  }

  /** Names a member of the surrounding class. */
  #nameOwn(name: string | undefined, kind: BullKind | undefined, member?: SyntaxNode): void {
    this.#set(`this.${name}`, kind)
    if (member?.static === true) this.#set(`${this.#class}.${name}`, kind)
  }

  #set(path: string, kind: BullKind | undefined): void {
    if (kind !== undefined) this.#kinds.set(path, kind)
  }

  #keepValue(name: string | undefined, value: SyntaxNode): void {
    const object = objectIn(value)
    if (name !== undefined && object !== undefined) this.#values.set(name, object)
  }

  #use(node: SyntaxNode): void {
    switch (node.type) {
      case 'NewExpression':
        this.#useNew(node)
        break
      case 'CallExpression':
      case 'OptionalCallExpression':
        this.#useCall(node)
        break
      case 'VariableDeclarator':
        this.#useTyped((node.id as SyntaxNode).typeAnnotation, node.init)
        break
      case 'ClassProperty':
      case 'PropertyDefinition':
        this.#useTyped(node.typeAnnotation, node.value)
        break
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
        this.#useTyped(node.typeAnnotation, node.expression)
        break
      case 'Decorator':
        this.#useDecorator(node)
        break
      case 'MemberExpression':
      case 'OptionalMemberExpression':
        this.#useProperty(node)
        break
      case 'ObjectProperty':
        if (nameOf(node.key) === 'defaultJobOptions' && this.isConcerned)
          this.#options('options of a job', node.value)
        break
      default:
    }
  }

  #useProperty({ object, property }: SyntaxNode): void {
    const kind = this.#kindOf(object)
    const name = nameOf(property)
    if (name === undefined || kind === undefined || kind === 'Job[]') return
    // A property that is the same in Lark, such as `job.data`, gets no row, because such properties are in
    // most lines.
    const topic = `properties of ${kind}` as const
    if (comparisonOf(topic, name)?.[0] !== 'same') this.#found(topic, name, property as SyntaxNode)
  }

  #useNew({ callee, arguments: given }: SyntaxNode): void {
    const name = this.#bullName(callee)
    const [first, second, third] = listOf(given)
    if (name === 'Queue') this.#options('options of Queue', second)
    if (name === 'QueueEvents') this.#options('options of QueueEvents', second)
    if (name === 'Worker') this.#options('options of Worker', third)
    if (name === 'FlowProducer') this.#options('options of FlowProducer', first)
  }

  #useCall({ callee, arguments: given }: SyntaxNode): void {
    if (!isNode(callee)) return
    const method = nameOf(callee.property)
    const named = this.#bullName(callee.object)
    const kind = this.#kindOf(callee.object)
    if (method !== undefined && (named === 'Job' || named === 'Worker'))
      this.#found(`static methods of ${named}`, method, callee.property as SyntaxNode)
    if (method !== undefined && this.#nest.get(nameOf(callee.object) ?? '') === 'BullModule')
      this.#useModule(method, listOf(given))
    if (method !== undefined && kind === undefined && named === undefined && this.isConcerned)
      if (isTelling(method))
        this.unfollowed.push({ what: unfollowedCall(method), line: lineOf(callee.property as SyntaxNode) })
    if (method === undefined || kind === undefined || kind === 'Job[]') return
    const all = listOf(given)
    if (listening.has(method)) {
      const event = textOf(all[0])
      if (event !== undefined && kind !== 'Job') this.#found(`events of ${kind}`, event, all[0]!)
      return
    }
    this.#found(`methods of ${kind}`, method, callee.property as SyntaxNode)
    if (kind === 'Queue' && method === 'add') this.#options('options of a job', all[2])
    if (kind === 'Queue' && method === 'addBulk') this.#jobOptionsIn(all[0])
    if (kind === 'FlowProducer') for (const each of all) this.#jobOptionsIn(each)
    if (method === 'upsertJobScheduler' || method === 'removeRepeatable')
      this.#options('options of a job scheduler', all[1])
    if (method === 'upsertJobScheduler') this.#jobOptionsIn(all[2])
  }

  /** The options that a module of Nest gives to queues and flow producers. */
  #useModule(method: string, given: readonly SyntaxNode[]): void {
    const topic =
      method === 'registerFlowProducer'
        ? 'options of FlowProducer'
        : method === 'registerQueue' || method === 'forRoot'
          ? 'options of Queue'
          : undefined
    if (topic !== undefined)
      for (const each of given) if (textOf(each) === undefined) this.#options(topic, each, ofNest[topic])
  }

  /** Finds the options of jobs anywhere in an expression, where they are written as `opts`. */
  #jobOptionsIn(node: unknown): void {
    if (!isNode(node)) return
    walk(this.#valueOf(node), (each) => {
      if (each.type === 'ObjectProperty' && nameOf(each.key) === 'opts')
        this.#options('options of a job', each.value)
    })
  }

  #useTyped(annotation: unknown, value: unknown): void {
    const written =
      isNode(annotation) && annotation.type === 'TSTypeAnnotation' ? annotation.typeAnnotation : annotation
    if (!isNode(written) || written.type !== 'TSTypeReference') return
    const name = this.#bullName(written.typeName)
    const topic = name === undefined ? undefined : optionTypes[name]
    if (topic === undefined) return
    // These options are refused by the call that adds a job, and not when the object is made. So these
    // options do not prevent the start of the application.
    this.#isAtStart = false
    this.#options(topic, value)
  }

  #useDecorator({ expression }: SyntaxNode): void {
    if (!isNode(expression) || expression.type !== 'CallExpression') return
    const name = this.#nest.get(nameOf(expression.callee) ?? '')
    const [first, second] = listOf(expression.arguments)
    const event = textOf(first)
    if (name === 'Processor') this.#options('options of Worker', second)
    if (name === 'OnWorkerEvent' && event !== undefined) this.#found('events of Worker', event, first!)
    if (name === 'OnQueueEvent' && event !== undefined) this.#found('events of QueueEvents', event, first!)
  }

  /**
   * Notes the names in an object of options, including the names in nested objects and in objects that are
   * spread into it.
   */
  #options(topic: ComparedTopic, given: unknown, ignored: readonly string[] = []): void {
    if (!isNode(given)) return
    const object = this.#valueOf(given)
    if (isUnfollowed.test(object.type) && nameOf(object) !== 'undefined')
      this.unfollowed.push({ what: topic, line: lineOf(given) })
    for (const property of listOf(object.properties)) {
      if (property.type === 'SpreadElement') {
        this.#options(topic, property.argument)
        continue
      }
      const name = nameOf(property.key) ?? textOf(property.key)
      if (name === undefined || property.computed === true) continue
      if (ignored.includes(name)) continue
      // The class accepts an option that Lark does not have if the value turns the option off.
      if (isOff(property.value) && comparisonOf(topic, name)?.[0] === 'missing') continue
      this.#found(topic, name, property, true)
      const inside = inner[name]
      const wasAtStart = this.#isAtStart
      // The constructor of a queue refuses these options, so they prevent the start of the application.
      if (name === 'defaultJobOptions') this.#isAtStart = true
      if (inside !== undefined) this.#options(inside, property.value)
      this.#isAtStart = wasAtStart
    }
    if (object.type === 'ConditionalExpression') {
      this.#options(topic, object.consequent)
      this.#options(topic, object.alternate)
    }
    if (object.type === 'LogicalExpression') this.#options(topic, object.right)
  }

  /** The object that a name stands for. */
  #valueOf(node: SyntaxNode): SyntaxNode {
    const object = objectIn(node)
    if (object !== undefined) return object
    return this.#values.get(pathOf(node) ?? '') ?? node
  }

  /**
   * @param isOption whether the name is an option. An option that BullMQ does not have is noted, too, because
   *   the class refuses it
   */
  #found(topic: ComparedTopic, name: string, at: SyntaxNode, isOption = false): boolean {
    if (!isOption && comparisonOf(topic, name) === undefined) return false
    const { line, column } = at.loc?.start ?? { line: 0, column: 0 }
    const place = `${topic} ${name} ${line} ${column}`
    const known = this.#seen.get(place)
    const use = known ?? { topic, name, line, column, isAtStart: this.#isAtStart }
    if (known === undefined) this.uses.push(use)
    if (this.#isAtStart) use.isAtStart = true
    this.#seen.set(place, use)
    return true
  }

  #export(node: SyntaxNode): void {
    if (node.type !== 'ExportNamedDeclaration') return
    const { declaration } = node
    const declared = isNode(declaration) ? [declaration, ...listOf(declaration.declarations)] : []
    const names = [
      ...declared.map((each) => [nameOf(each.id), nameOf(each.id)]),
      ...listOf(node.specifiers).map((each) => [nameOf(each.local), nameOf(each.exported)]),
    ]
    for (const [path, kind] of this.#kinds)
      for (const [local, name] of names) {
        const [root = '', ...rest] = path.split(/(?=[.(])/)
        if (root === local && name !== undefined) this.exported.set([name, ...rest].join(''), kind)
      }
  }
}
