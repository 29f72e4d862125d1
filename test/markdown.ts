/**
 * Reads the fenced blocks of a Markdown page. The words after the language say how a block is used:
 *
 *   ```ts title="src/jobs/A.ts"   a file of the page's application
 *   ```ts run                     a script that is run; a comment behind a console.log says what it prints
 *   ```ts, ```js                  a piece of code that must compile
 *   ```sh                         commands
 *   ```typescript, ```javascript  on docs/dispatching-jobs.md: the founding snippets, see seed.test.ts;
 *                                 on docs/frameworks.md, docs/testing.md and docs/adapters.md: code that
 *                                 the matrix runs, see frameworks-page.test.ts, testing-page.test.ts and
 *                                 examples/adapters; on docs/from-bullmq.md: a script for BullMQ, see
 *                                 way-back.test.ts
 */
export interface Block {
  language: string
  title: string | undefined
  run: boolean
  text: string
  /** The number of the first line inside of the fence, counted from 1. */
  line: number
}

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  for (let i = 0; i < lines.length; i++) {
    const [, language, meta = ''] = /^```(\w+)(.*)$/.exec(lines[i]!) ?? []
    if (language === undefined) continue
    const start = i + 1
    while (lines[++i] !== '```') if (i >= lines.length) throw new Error(`line ${start}: a block without end`)
    blocks.push({
      language,
      title: /title="([^"]+)"/.exec(meta)?.[1],
      run: /\brun\b/.test(meta),
      text: `${lines.slice(start, i).join('\n')}\n`,
      line: start + 1,
    })
  }
  return blocks
}

/** The anchors of the headings, as the site makes them. The first heading has no anchor. */
export function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#{2,6} (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}
