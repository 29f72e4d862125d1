/**
 * Finds whether a hostile text has done harm to the page that shows it. A page that shows it as text is not
 * harmed.
 */
import type { Page } from 'playwright-core'

/** After the call, the page has the width of a phone. @param path the path of the page, for the findings */
export async function harmOn(page: Page, path: string): Promise<string[]> {
  const ill: string[] = []
  for (const width of [1_280, 390]) {
    await page.setViewportSize({ width, height: 800 })
    const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    if (over > 0) ill.push(`${path} is ${over} too wide at ${width}`)
  }
  const shows = (await page.locator('main').allInnerTexts()).join()
  if (['\u202e', '\u001b'].some((control) => shows.includes(control)))
    ill.push(`${path} has characters that change the text around them`)
  if ((await page.locator('main img, main script').count()) > 0) ill.push(`${path} has elements of a text`)
  if ((await page.evaluate('window.hacked')) !== undefined) ill.push(`${path} ran a text`)
  return ill
}
