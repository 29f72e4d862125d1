/**
 * Builds the files that the browser loads, and writes them into one module of the server. So neither a
 * bundler nor an image of a server has to find files, and the user builds nothing. Each page of the dashboard
 * is a separate file that the browser loads when the page is opened.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** These styles come first, because the rules of other styles build on them. */
const FIRST = ['style/tokens.css', 'style/base.css']

/**
 * @param {string} folder the folder of the package
 * @returns the licences of the bundled packages, one after the other
 */
export async function bundlePage(folder) {
  const browser = join(folder, 'browser')
  const bundler = await rolldown({
    cwd: folder,
    input: { app: join(browser, 'main.tsx') },
    platform: 'browser',
    tsconfig: join(browser, 'tsconfig.json'),
    transform: { target: 'es2022', define: { 'process.env.NODE_ENV': '"production"' } },
  })
  const { output } = await bundler.generate({
    format: 'es',
    minify: true,
    // The name of a file changes with its text, so that a browser may keep the file for ever.
    entryFileNames: '[name]-[hash].js',
    chunkFileNames: '[name]-[hash].js',
  })
  await bundler.close()
  /** @type {Record<string, string>} */
  const files = {}
  let script = ''
  // The package `uplot` is listed here, because its styles are read directly.
  const packages = new Set([join(folder, '../../node_modules/uplot')])
  for (const file of output) {
    if (file.type !== 'chunk') throw new Error(`${file.fileName} is not a script`)
    files[file.fileName] = file.code
    if (file.isEntry) script = file.fileName
    for (const module of file.moduleIds) {
      const found = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(module)
      if (found !== null) packages.add(found[0])
    }
  }
  const css = stylesOf(browser, join(folder, '../../node_modules/uplot/dist/uPlot.min.css'))
  const style = `app-${createHash('sha256').update(css).digest('base64url').slice(0, 8)}.css`
  files[style] = css
  files['icon.svg'] = readFileSync(join(browser, 'icon.svg'), 'utf8').trim()
  const text = `// Made by build/page.js.
export const script = ${JSON.stringify(script)}
export const style = ${JSON.stringify(style)}
/** The text of each file that the browser loads, by the name of the file. */
export const files: Readonly<Record<string, string>> = ${JSON.stringify(files)}
`
  const generated = join(folder, 'src/server/page.generated.ts')
  if (!existsSync(generated) || readFileSync(generated, 'utf8') !== text) writeFileSync(generated, text)
  return [...packages].sort().map(licenceOf).join('\n')
}

/**
 * The licence of a package. A package without a licence must not be bundled, so the build fails.
 *
 * @param {string} folder
 */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
  if (file === undefined) throw new Error(`${name} is bundled, and has no file with its licence`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}

/** @param {string} browser @param {string} chart the styles of the library for charts */
function stylesOf(browser, chart) {
  const names = readdirSync(browser, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.css') && !FIRST.includes(name))
  const files = [
    ...FIRST.map((name) => join(browser, name)),
    chart,
    ...names.sort().map((name) => join(browser, name)),
  ]
  const css = files.map((file) => readFileSync(file, 'utf8')).join('\n')
  return css
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1')
    .trim()
}
