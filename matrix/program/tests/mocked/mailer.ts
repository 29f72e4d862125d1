export function send(to: string): string {
  throw new Error(`the test sent mail to ${to}`)
}
