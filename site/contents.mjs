// The pages of the manual in the order of a reader, and where each has its place on the site.
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const site = fileURLToPath(new URL('.', import.meta.url))

/** The folder of the pages. */
export const docs = fileURLToPath(new URL('../docs', import.meta.url))

/**
 * The sections, with the pages of each: their paths in docs/, without `.md`.
 *
 * @type {readonly { section: string, pages: readonly string[] }[]}
 */
export const contents = [
  {
    section: 'Start Here',
    pages: ['home', 'introduction', 'first-job', 'concepts', 'glossary', 'questions'],
  },
  {
    section: 'Guides',
    pages: [
      'creating-jobs',
      'retries',
      'class-limits',
      'idempotent-handlers',
      'dispatching-jobs',
      'dispatch-errors',
      'transactions',
      'steps-in-transactions',
      'relay',
      'outbox',
      'handles',
      'payloads',
      'job-functions',
      'dependencies',
      'middleware',
      'limiting-middleware',
      'queue-workers',
      'worker-processes',
      'workers-in-code',
      'cancelling',
      'queue-settings',
      'retention',
      'unique-jobs',
      'groups',
      'results',
      'first-flow',
      'flows',
      'flows-that-fail',
      'steps',
      'child-jobs',
      'step-recipes',
      'steps-in-operation',
      'isolation',
      'schedules',
      'schedules-at-run-time',
      'clock-changes',
      'testing',
      'web-servers',
      'typescript',
      'frameworks',
      'examples',
      'examples-of-limits',
    ],
  },
  { section: 'Commands', pages: ['commands', 'commands-as-jobs', 'finding-commands'] },
  {
    section: 'Operating',
    pages: [
      'production',
      'deploying',
      'workers-of-a-store',
      'when-a-worker-dies',
      'embedded-store',
      'redis',
      'redis-failures',
      'terminal',
      'terminal-screens',
      'many-jobs',
      'operating-jobs',
      'listing-jobs',
      'changes-at-a-pace',
      'removing-jobs',
      'audit',
      'operate',
      'why-a-job-waits',
      'dashboard',
      'dashboard-for-others',
      'monitoring',
      'doctor',
      'health',
      'telemetry',
      'opentelemetry',
      'events',
      'measuring',
      'troubleshooting',
    ],
  },
  {
    section: 'Recipes',
    pages: [
      'recipes',
      'recipes/email',
      'recipes/reminder',
      'recipes/approvals',
      'recipes/webhooks',
      'recipes/order-in-transaction',
      'recipes/imports',
      'recipes/progress-bar',
      'recipes/tenants',
      'recipes/rate-limited-api',
      'recipes/slow-retry',
      'recipes/hung-handler',
      'recipes/nightly-report',
      'recipes/thumbnails',
      'recipes/encrypted-payloads',
      'recipes/dashboard-login',
      'recipes/moving-to-redis',
      'recipes/tasks-to-steps',
    ],
  },
  {
    section: 'Coming From Another Queue',
    pages: [
      'from-bullmq',
      'check-bullmq',
      'bullmq-differences',
      'bullmq-flows',
      'bullmq-nest',
      'bullmq-import',
      'bullmq-names',
      'from-laravel',
      'from-sidekiq',
      'adapters',
    ],
  },
  {
    section: 'Reference',
    pages: [
      'configuration',
      'configured-in-code',
      'command-reference',
      'command-json',
      'errors',
      'compatibility',
      'versions',
    ],
  },
  {
    section: 'How It Holds',
    pages: [
      'what-can-be-lost',
      'reliability',
      'who-runs-again',
      'promises-of-features',
      'broken-on-purpose',
      'performance',
      'architecture',
    ],
  },
  { section: 'Decisions', pages: decisions() },
]

/** The pages of docs/decisions, one a decision, the latest first: their names begin with the date. */
function decisions() {
  const files = readdirSync(join(docs, 'decisions')).filter((file) => file.endsWith('.md'))
  const pages = files.map((file) => `decisions/${file.slice(0, -'.md'.length)}`)
  return pages.sort().reverse()
}

/** The pages about the console. All others are about jobs. */
const ofConsole = new Set(['commands', 'finding-commands', 'terminal', 'command-reference', 'command-json'])

/** The path of a page on the site. The founding page of the manual links to its neighbours by these paths. */
export function routeOf(/** @type {string} */ page) {
  if (page === 'home') return '/'
  return `/${ofConsole.has(page) ? 'lark' : 'lark-jobs'}/${page}`
}

/** The page of a file in docs/, or in the copy that a version has of it. Undefined for other files. */
export function pageOf(/** @type {string} */ file) {
  const path = relative(site, file).split(sep).join('/')
  return /^(?:\.\.\/docs|versioned_docs\/[^/]+)\/(.+)\.md$/.exec(path)?.[1]
}

/** @throws {Error} if a page is in no section or in two, or a section has a page that does not exist */
export function checkContents() {
  const files = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.md'),
  )
  const pages = files.map((file) => file.split(sep).join('/').slice(0, -'.md'.length)).sort()
  const listed = contents.flatMap(({ pages }) => pages).sort()
  const wrong = [
    ...pages.filter((page) => !listed.includes(page)).map((page) => `docs/${page}.md is in no section`),
    ...listed.filter((page) => !pages.includes(page)).map((page) => `docs/${page}.md does not exist`),
    ...listed
      .filter((page, index) => page === listed[index + 1])
      .map((page) => `docs/${page}.md is there twice`),
  ]
  if (wrong.length > 0) throw new Error(`site/contents.mjs: ${wrong.join('; ')}`)
}
