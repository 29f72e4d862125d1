/**
 * What is kept of the value that a processor returned: what JSON makes of it. Lark's `handle()` fails with
 * `false`, and keeps nothing of `true`; a processor returns them as any other value.
 */
export function keptValue(value: unknown): unknown {
  const text = JSON.stringify(value)
  return text === undefined ? undefined : new ReturnedValue(JSON.parse(text))
}

class ReturnedValue {
  readonly #value: unknown

  constructor(value: unknown) {
    this.#value = value
  }

  toJSON(): unknown {
    return this.#value
  }
}
