/** The version of this package. The build and the tests define it. */
declare const LARK_VERSION: string

/** The version of this package, or 0.0.0 if the sources run without a build. */
export const version = typeof LARK_VERSION === 'string' ? LARK_VERSION : '0.0.0'
