/**
 * Accessibility, as axe sees it.
 */
import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const themes = ['light', 'dark'] as const
const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/**
 * What axe finds in both themes: WCAG 2.2 AA. Of the second theme only the colours are new.
 *
 * @param within a selector of a part of the page
 */
export async function examined(page: Page, within = 'html'): Promise<string[]> {
  await page.evaluate(axe.source)
  const findings: string[] = []
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme })
    const runOnly = colorScheme === 'light' ? everything : { type: 'rule', values: ['color-contrast'] }
    // What it would say of all that is right takes a fifth of its time.
    const options = JSON.stringify({ runOnly, resultTypes: ['violations'] })
    const { violations } = await page.evaluate<AxeResults>(`axe.run('${within}', ${options})`)
    for (const { id, nodes } of violations)
      for (const { html, failureSummary } of nodes.slice(0, 3))
        findings.push(`${colorScheme}, ${id}: ${html.slice(0, 160)} ${failureSummary}`)
  }
  return findings
}
