/** The configuration of the dashboard that `lark jobs:dashboard` serves. */
import {
  func,
  isText,
  list,
  type NeededOptionsOf,
  type Option,
  type OptionsOf,
  oneOf,
  option,
  type Read,
  Schema,
  whole,
} from '../options/schema.ts'

/** A person who uses the dashboard, with the rights of this person. */
export interface DashboardViewer {
  role: 'read' | 'operate' | 'admin'
  /** The name of the person for the audit, such as an e-mail address. */
  user: string
  /** Whether the person sees payloads, results and progress. Default: only admins see them. */
  payloads?: boolean
}

/**
 * The `Request` of the platform. This type is absent from programs that are compiled without the types of
 * Node and of browsers.
 */
export type DashboardRequest = typeof globalThis extends { Request: { prototype: infer Declared } }
  ? Declared
  : { readonly url: string; readonly method: string; readonly headers: { get(name: string): string | null } }

/** A function that returns the person who sends a request, or nothing in order to refuse the request. */
export type DashboardAuthorize = (
  request: DashboardRequest,
) => DashboardViewer | undefined | null | Promise<DashboardViewer | undefined | null>

const colours = ['red', 'orange', 'green', 'blue', 'violet', 'grey'] as const

export const environmentOptions = new Schema("an object such as { name: 'production', colour: 'red' }", {
  /** The name of the installation. */
  name: option<string>('a text', isText).needed(),
  /** The colour of the name. Default: `grey`. */
  colour: oneOf(colours).or('grey'),
})

export interface EnvironmentConfig
  extends OptionsOf<typeof environmentOptions.entries>,
    NeededOptionsOf<typeof environmentOptions.entries> {}

export const dashboardOptions = new Schema("an object such as { authorize, host: '0.0.0.0' }", {
  /**
   * A function that returns the person who sends a request, with the rights of this person. Without this
   * function, only the person who starts the dashboard can use it, on this machine.
   */
  authorize: func<DashboardAuthorize>(),
  /**
   * The address on which the dashboard listens. Other machines can use it only with `authorize`. Default:
   * only this machine.
   */
  host: option<string>("a host such as '0.0.0.0'", isText).or('127.0.0.1'),
  /** The port. 0 means any free port. */
  port: whole(0, 65_535).or(7_575),
  /** The path under which the dashboard is served. Default: `/`. */
  base: option<string>(
    "a path such as '/admin/jobs'",
    (value) => typeof value === 'string' && /^(\/[\w.~-]+)*\/?$/.test(value),
  ).or('/'),
  /**
   * The host names that requests may have. A name without a port allows any port. Default: the names of this
   * machine.
   */
  hosts: list<string>("a list of names such as 'admin.example.com'", isText),
  /** The installation, such as production, which is shown on each page. */
  environment: environmentOptions as Option<EnvironmentConfig, Read<typeof environmentOptions.entries>>,
})

export interface DashboardConfig extends OptionsOf<typeof dashboardOptions.entries> {}

/** The configuration of the dashboard, with the defaults. */
export interface ConfiguredDashboard {
  authorize: DashboardAuthorize | undefined
  host: string
  port: number
  base: string
  hosts: readonly string[] | undefined
  environment: { name: string; colour: (typeof colours)[number] } | undefined
}
