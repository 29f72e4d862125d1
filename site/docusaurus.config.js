// The manual as a site. `npm run docs` builds it, see scripts/docs.js.
import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { themes } from 'prism-react-renderer'
import { docs, pageOf, routeOf } from './contents.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const repository = 'https://github.com/s18i/lark'
/** `docusaurus docs:version 1.0` writes this file, and with it the manual has versions to choose from. */
const hasVersions = existsSync(new URL('versions.json', import.meta.url))

/** @type {import('@docusaurus/types').Config} */
export default {
  title: 'Lark',
  tagline: 'Commands and background jobs for Node, in TypeScript',
  favicon: 'lark.svg',
  // Only canonical links and the site map name it: no page needs it to work.
  url: process.env.SITE_URL ?? 'https://s18i.github.io',
  baseUrl: process.env.SITE_BASE ?? '/',
  onBrokenLinks: 'throw',
  onBrokenAnchors: 'throw',
  onDuplicateRoutes: 'throw',
  markdown: {
    // Pages are CommonMark, as on GitHub. MDX would read `{` and `<` as code.
    format: 'md',
    hooks: { onBrokenMarkdownLinks: toRepository, onBrokenMarkdownImages: 'throw' },
    async parseFrontMatter(file) {
      const parsed = await file.defaultParseFrontMatter(file)
      const page = pageOf(file.filePath)
      if (page !== undefined) parsed.frontMatter.slug ??= routeOf(page)
      // The first page is for people who do not know Lark yet: it has no list of the other pages.
      if (page === 'home')
        Object.assign(parsed.frontMatter, { displayed_sidebar: null, hide_table_of_contents: true })
      return parsed
    },
  },
  // The polyfill of cascade layers would let the colours of the theme win over ours.
  future: { v4: { removeLegacyPostBuildHeadAttribute: true, useCssCascadeLayers: false }, faster: true },
  presets: [
    [
      'classic',
      /** @type {import('@docusaurus/preset-classic').Options} */
      ({
        docs: {
          path: '../docs',
          routeBasePath: '/',
          sidebarPath: './sidebar.js',
          editUrl: ({ docPath }) => `${repository}/edit/main/docs/${docPath}`,
        },
        blog: false,
        pages: false,
        theme: { customCss: './src/site.css' },
      }),
    ],
  ],
  plugins: [
    [
      '@docusaurus/plugin-content-docs',
      /** @type {import('@docusaurus/plugin-content-docs').Options} */
      ({ id: 'api', path: 'api', routeBasePath: 'api', sidebarPath: './api-sidebar.js' }),
    ],
  ],
  themes: [
    [
      '@easyops-cn/docusaurus-search-local',
      /** @type {import('@easyops-cn/docusaurus-search-local').PluginOptions} */
      ({
        hashed: true,
        indexBlog: false,
        docsDir: ['../docs', 'api'],
        docsRouteBasePath: ['/', 'api'],
        // The reference is searched on its own pages: otherwise it would hide what the manual says.
        searchContextByPaths: [{ label: 'API', path: 'api' }],
        highlightSearchTermsOnTargetPage: true,
      }),
    ],
  ],
  themeConfig:
    /** @type {import('@docusaurus/preset-classic').ThemeConfig} */
    ({
      colorMode: { respectPrefersColorScheme: true },
      docs: { sidebar: { hideable: true } },
      navbar: {
        title: 'Lark',
        logo: { alt: '', src: 'lark.svg' },
        items: [
          { type: 'doc', docId: 'introduction', label: 'Manual' },
          { type: 'doc', docsPluginId: 'api', docId: 'index', label: 'API' },
          ...(hasVersions ? [{ type: 'docsVersionDropdown', position: 'right' }] : []),
          { href: repository, label: 'GitHub', position: 'right' },
        ],
      },
      prism: {
        theme: readable(themes.github),
        darkTheme: themes.vsDark,
        additionalLanguages: ['bash', 'docker', 'ini', 'json', 'yaml'],
      },
    }),
}

/** Some colours of the theme have a contrast of less than 4.5 : 1 on its background. */
function readable(theme) {
  const darker = {
    '#999988': '#6a6a5e',
    '#e3116c': '#b80d57',
    '#36acaa': '#16706e',
    '#00a4db': '#00688b',
    '#d73a49': '#bb2a39',
  }
  const styles = theme.styles.map(({ types, style }) => ({
    types,
    style: { ...style, color: darker[style.color] ?? style.color },
  }))
  return { ...theme, styles }
}

/** A link out of docs/ is one to the repository, if the file exists. */
function toRepository({ sourceFilePath, url }) {
  const [path] = url.split('#')
  // The copy that a version has of a page has the links of the page.
  const page = pageOf(resolve(sourceFilePath))
  const file = resolve(docs, dirname(page ?? ''), path)
  if (page === undefined || !existsSync(file))
    throw new Error(`${sourceFilePath} links to ${url}, which does not exist`)
  return `${repository}/blob/main/${relative(root, file)}${url.slice(path.length)}`
}
