/** A count with its noun in a message: `1 job`, `1,200 jobs`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? noun : `${noun}s`}`
}
