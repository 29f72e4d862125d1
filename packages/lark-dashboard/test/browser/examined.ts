/** Checks accessibility with axe. */
import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'

const themes = ['light', 'dark'] as const
const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/**
 * The violations of WCAG 2.2 AA that axe finds in both themes. For the second theme only the colours are
 * checked, because nothing else differs.
 *
 * @param within a selector for the part of the page to check
 */
export async function examined(page: Page, within = 'html'): Promise<string[]> {
  await page.evaluate(axe.source)
  const findings: string[] = []
  for (const colorScheme of themes) {
    await page.emulateMedia({ colorScheme })
    const runOnly = colorScheme === 'light' ? everything : { type: 'rule', values: ['color-contrast'] }
    // The results of passed rules are left out, because collecting them takes a fifth of the time.
    const options = JSON.stringify({ runOnly, resultTypes: ['violations'] })
    const { violations } = await page.evaluate<AxeResults>(`axe.run('${within}', ${options})`)
    for (const { id, nodes } of violations)
      for (const { html, failureSummary } of nodes.slice(0, 3))
        findings.push(`${colorScheme}, ${id}: ${html.slice(0, 160)} ${failureSummary}`)
  }
  return findings
}
