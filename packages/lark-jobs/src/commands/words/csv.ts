/** Writes rows as CSV (RFC 4180), for spreadsheets and scripts. */

export function csvLine(values: readonly (string | number | undefined)[]): string {
  return values.map(csvValue).join(',')
}

function csvValue(value: string | number | undefined): string {
  if (typeof value !== 'string') return value === undefined ? '' : String(value)
  // A spreadsheet would run a text that begins like a formula, so a quote is put before such a text.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
