import { expect, test } from 'vitest'
import { treeOf } from '../../src/commands/flows/flow-tree.ts'

/** The tree of a graph, with one line for each node: its number, and the nodes that it joins. */
function tree(...afters: number[][]): string[] {
  return treeOf(afters).map(
    ({ node, head, joins }) => `${head}${node}${joins.length === 0 ? '' : ` ${joins}`}`,
  )
}

test('a chain is a list', () => {
  expect(tree([], [0], [1])).toEqual(['0', '1', '2'])
})

test('nodes after a fork are indented, and nodes that join are not', () => {
  expect(tree([], [0], [0], [2], [1, 3], [4])).toEqual(['0', '├─ 1', '├─ 2', '│  3', '4 1,3', '5'])
})

test('several first nodes count as a fork, too', () => {
  expect(tree([], [], [1])).toEqual(['├─ 0', '└─ 1', '   2'])
  expect(tree([], [], [0, 1])).toEqual(['├─ 0', '├─ 1', '2 0,1'])
})

test('a fork in a fork', () => {
  expect(tree([], [0], [0], [1], [1], [3, 4], [2, 5])).toEqual([
    ...['0', '├─ 1', '│  ├─ 3', '│  ├─ 4', '│  5 3,4', '├─ 2', '6 2,5'],
  ])
})

test('a node that waits for another node does not repeat the earlier nodes', () => {
  expect(tree([], [0], [0, 1])).toEqual(['0', '1', '2'])
})

test('a path around a node keeps the following nodes out of its indentation', () => {
  expect(tree([], [0], [1], [0, 2], [0])).toEqual(['0', '├─ 1', '│  2', '│  3', '└─ 4'])
  expect(tree([], [0], [0], [1], [2, 3])).toEqual(['0', '├─ 1', '│  3', '├─ 2', '4 2,3'])
})

test('deep forks keep the last indentation, and each node is there once', () => {
  const afters = Array.from({ length: 2_001 }, (_, i) => (i === 0 ? [] : [i % 2 === 1 ? i - 1 : i - 2]))
  const lines = treeOf(afters)
  expect(lines.map(({ node }) => node).sort((one, other) => one - other)).toEqual(afters.map((_, i) => i))
  expect(Math.max(...lines.map(({ head }) => head.length))).toBeLessThan(50)
})
