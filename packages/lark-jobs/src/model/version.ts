/** The version of this package, which the build and the tests write in. */
declare const LARK_VERSION: string

/** The version of this package. The sources run as 0.0.0 elsewhere. */
export const version = typeof LARK_VERSION === 'string' ? LARK_VERSION : '0.0.0'
