/**
 * Reads nodes of a syntax tree: whether a value is a node, which names and texts a node has, and which nodes
 * are in it. A field that is missing or has another type counts as absent, because a parser may make nodes
 * that this file does not know.
 */
import type { SyntaxNode } from '@s18i/lark/internal'

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

export function listOf(value: unknown): SyntaxNode[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

/** The name of an identifier, whether it is private or not. */
export function nameOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined
  if (value.type === 'PrivateName') return nameOf(value.id)
  return value.type === 'Identifier' ? (value.name as string) : undefined
}

export function textOf(value: unknown): string | undefined {
  return isNode(value) && value.type === 'StringLiteral' ? (value.value as string) : undefined
}

/** Whether an expression is a value with which an application turns an option off. */
export function isOff(value: unknown): boolean {
  if (!isNode(value)) return false
  return nameOf(value) === 'undefined' || (value.type === 'BooleanLiteral' && value.value === false)
}

export function isFunction(value: unknown): value is SyntaxNode {
  return isNode(value) && /Function/.test(value.type)
}

/** The text of an expression that is a name, or a member of a name or of `this`. */
export function pathOf(node: SyntaxNode): string | undefined {
  if (node.type === 'Identifier') return nameOf(node)
  const { object, property, computed } = node
  const name = computed === true ? undefined : nameOf(property)
  if (name === undefined || !isNode(object)) return undefined
  const root = isThis(object) ? 'this' : nameOf(object)
  return root && `${root}.${name}`
}

export function isThis(value: unknown): boolean {
  return isNode(value) && value.type === 'ThisExpression'
}

export function isCall(value: unknown, name: string): boolean {
  return isNode(value) && value.type === 'CallExpression' && nameOf(value.callee) === name
}

/** The module that a `require()` or an `await import()` loads. Undefined for any other expression. */
export function loadedBy(value: unknown): string | undefined {
  if (!isNode(value)) return undefined
  if (value.type === 'AwaitExpression') return loadedBy(value.argument)
  const isImport = isNode(value.callee) && value.callee.type === 'Import'
  return isImport || isCall(value, 'require') ? textOf(listOf(value.arguments)[0]) : undefined
}

/** The object literal in an expression that only gives the object a type (`as const`) or freezes it. */
export function objectIn(node: SyntaxNode): SyntaxNode | undefined {
  if (node.type === 'ObjectExpression') return node
  const inside = node.expression
  return isNode(inside) ? objectIn(inside) : undefined
}

/** The methods that Nest calls when the application starts. */
const starting = /^(?:constructor|onModuleInit|onApplicationBootstrap)$/

/**
 * Calls a function with each node of a tree, the outer nodes first.
 *
 * @param visit gets a node, and whether its code runs when the file is loaded or when the object of its class
 *   is made
 * @param called the functions that the file calls when it is loaded
 */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, isAtStart: boolean) => void,
  called: ReadonlySet<string> = new Set(),
  isAtStart = true,
): void {
  visit(node, isAtStart)
  const isInside =
    isBody(node) && !starting.test(nameOf(node.key) ?? '') && !called.has(nameOf(node.id) ?? '')
  for (const [name, field] of Object.entries(node)) {
    if (name === 'loc' || name === 'extra' || name.endsWith('Comments')) continue
    for (const each of Array.isArray(field) ? field : [field])
      if (isNode(each)) walk(each, visit, called, isAtStart && !isInside)
  }
}

/** Whether a node is a function or a method. */
function isBody(node: SyntaxNode): boolean {
  return /Function|^(?:Class|ClassPrivate|Object)Method$/.test(node.type)
}
