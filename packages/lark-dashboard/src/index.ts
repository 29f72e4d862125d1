/**
 * The dashboard of Lark's jobs, for your own server. Without a server of your own, `lark jobs:dashboard`
 * starts the dashboard.
 *
 * @module @s18i/lark-dashboard
 */
export { type DashboardErrorCode, dashboardErrors } from './errors.ts'
export { type Dashboard, type DashboardOptions, dashboard } from './server/dashboard.ts'
export { type Authorize, type Role, roles, type Viewer } from './server/guard/viewer.ts'
export type { DashboardEnvironment } from './server/page.ts'
export { type NodeHandler, type NodeRequest, toNode } from './server/serve/to-node.ts'
