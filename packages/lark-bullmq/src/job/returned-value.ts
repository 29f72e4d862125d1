/**
 * The value that a processor returned, in the form in which it is stored. In Lark, `handle()` fails if it
 * returns `false`, and `true` is not kept. For a processor of BullMQ, both are results like any other value.
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
