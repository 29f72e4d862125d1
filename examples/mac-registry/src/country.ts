/**
 * Countries by the names that the listing uses: the English names of the Unicode CLDR. Any other text in the
 * place of a country ("RICHARDSON TX 75081") does not count as a country.
 */
const CODES = codesByName()

/**
 * Returns the ISO 3166 code of a country in lower case; `undefined` if the text is not the English name of a
 * country.
 */
export function countryCode(name: string | undefined): string | undefined {
  return CODES.get(name ?? '')
}

function codesByName(): Map<string, string> {
  const names = new Intl.DisplayNames('en', { type: 'region', fallback: 'none' })
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const codes = new Map<string, string>()
  for (const code of letters.flatMap((first) => letters.map((second) => first + second))) {
    const name = names.of(code)
    // The code of a former country ("DD") has the name of its successor, so it is left out.
    const current = Intl.getCanonicalLocales(`und-${code}`)[0] === `und-${code}`
    if (name && current) codes.set(name, code.toLowerCase())
  }
  return codes
}
