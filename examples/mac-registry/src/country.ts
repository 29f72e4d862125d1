/**
 * Countries by the names that the listing uses for them, which are those of the Unicode CLDR, in English.
 * Whatever else stands where a country should ("RICHARDSON TX 75081") is none.
 */
const CODES = codesByName()

/** The ISO 3166 code of a country, in lower case; `undefined` for anything that is not one's English name. */
export function countryCode(name: string | undefined): string | undefined {
  return CODES.get(name ?? '')
}

function codesByName(): Map<string, string> {
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' })
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const codes = new Map<string, string>()
  for (const code of letters.flatMap((first) => letters.map((second) => first + second))) {
    const name = names.of(code)
    // Codes of countries that are no more ("DD") carry the name of their successor.
    const current = Intl.getCanonicalLocales(`und-${code}`)[0] === `und-${code}`
    if (name && current) codes.set(name, code.toLowerCase())
  }
  return codes
}
