import { expect, test } from 'vitest'
import { treeOf } from '../../src/commands/flows/flow-tree.ts'

/**
 * Returns the tree of a graph, with one line for each node: the number of the node, and the nodes for which
 * it waits.
 */
function tree(...afters: number[][]): string[] {
  return treeOf(afters).map(
    ({ node, head, joins }) => `${head}${node}${joins.length === 0 ? '' : ` ${joins}`}`,
  )
}

test('a chain is printed as a list without indentation', () => {
  expect(tree([], [0], [1])).toEqual(['0', '1', '2'])
})

test('nodes after a fork are indented, and a node that joins branches is not', () => {
  expect(tree([], [0], [0], [2], [1, 3], [4])).toEqual(['0', '├─ 1', '├─ 2', '│  3', '4 1,3', '5'])
})

test('several first nodes are indented like the nodes after a fork', () => {
  expect(tree([], [], [1])).toEqual(['├─ 0', '└─ 1', '   2'])
  expect(tree([], [], [0, 1])).toEqual(['├─ 0', '├─ 1', '2 0,1'])
})

test('nodes after a fork inside of a fork are indented twice', () => {
  expect(tree([], [0], [0], [1], [1], [3, 4], [2, 5])).toEqual([
    ...['0', '├─ 1', '│  ├─ 3', '│  ├─ 4', '│  5 3,4', '├─ 2', '6 2,5'],
  ])
})

test('a node that waits for several nodes does not name those that one of them waits for', () => {
  expect(tree([], [0], [0, 1])).toEqual(['0', '1', '2'])
})

test('nodes after a join that a path bypasses are not indented below that join', () => {
  expect(tree([], [0], [1], [0, 2], [0])).toEqual(['0', '├─ 1', '│  2', '│  3', '└─ 4'])
  expect(tree([], [0], [0], [1], [2, 3])).toEqual(['0', '├─ 1', '│  3', '├─ 2', '4 2,3'])
})

test('the indentation has a limit, and deeper nodes are printed at the limit, each once', () => {
  const afters = Array.from({ length: 2_001 }, (_, i) => (i === 0 ? [] : [i % 2 === 1 ? i - 1 : i - 2]))
  const lines = treeOf(afters)
  expect(lines.map(({ node }) => node).sort((one, other) => one - other)).toEqual(afters.map((_, i) => i))
  expect(Math.max(...lines.map(({ head }) => head.length))).toBeLessThan(50)
})
