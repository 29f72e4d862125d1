/**
 * The value that is kept of what a processor returned, as JSON stores it. In Lark, `handle()` fails if it
 * returns `false`, and `true` is not kept. For a processor, both are values like any other.
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
