/**
 * Writes a flow as a diagram in the language of Mermaid. GitHub, GitLab and many editors draw such diagrams.
 */
import type { FlowInfo, FlowNodeInfo, Operate } from '../../operate.ts'
import { progressWords } from './flow-words.ts'

const styles = {
  completed: 'fill:#d3f9d8,stroke:#2b8a3e,color:#000',
  failed: 'fill:#ffe3e3,stroke:#c92a2a,color:#000',
  started: 'fill:#d0ebff,stroke:#1864ab,color:#000',
  other: 'fill:#f1f3f5,stroke:#868e96,color:#000',
}

export async function chartOf(operating: Operate, info: FlowInfo): Promise<string> {
  const lines = ['flowchart TD']
  await draw(operating, info, 'n', '  ', lines)
  for (const [name, style] of Object.entries(styles)) lines.push(`  classDef ${name} ${style}`)
  return lines.join('\n')
}

/** @param prefix the prefix of the ids of the flow's nodes in the diagram */
async function draw(
  operating: Operate,
  info: FlowInfo,
  prefix: string,
  indent: string,
  lines: string[],
): Promise<void> {
  const { nodes = [], kind, counts } = info
  const ids = new Map(nodes.map(({ name }, i) => [name, `${prefix}${i}`]))
  const line = (text: string) => lines.push(`${indent}${text}`)
  const members = `${prefix}members`
  const end = `${prefix}end`
  if (kind === 'batch') line(`${members}[[${quoted(progressWords(counts))}]]`)
  for (const node of nodes) {
    const id = ids.get(node.name)!
    const nested = node.flow && (await operating.flows.get(node.flow))
    if (nested === undefined) line(`${id}[${quoted(node.name)}]:::${styleOf(node)}`)
    else {
      line(`subgraph ${id}[${quoted(node.name)}]`)
      await draw(operating, nested, `${id}_`, `${indent}  `, lines)
      line('end')
    }
  }
  for (const { name, after } of nodes) for (const each of after) line(`${ids.get(each)} --> ${ids.get(name)}`)
  const callbacks = nodes.filter(({ on }) => on !== undefined)
  if (callbacks.length === 0) return
  line(`${end}((end))`)
  const isFollowed = new Set(nodes.flatMap(({ after }) => after))
  if (kind === 'batch') line(`${members} --> ${end}`)
  for (const { name, on } of nodes)
    if (on === undefined && !isFollowed.has(name)) line(`${ids.get(name)} --> ${end}`)
  for (const { name, on } of callbacks) line(`${end} -. ${on} .-> ${ids.get(name)}`)
}

function styleOf({ state }: FlowNodeInfo): keyof typeof styles {
  return state in styles ? (state as keyof typeof styles) : 'other'
}

/** Puts a text in quotes. `#` is escaped, because Mermaid reads it as the beginning of an entity. */
function quoted(text: string): string {
  const escaped = text.replaceAll('#', '#35;').replaceAll('"', '#quot;').replaceAll('<', '#lt;')
  return `"${escaped.replace(/\s/g, ' ')}"`
}
