/** Counts the jobs that run at the same time, and records which jobs have begun. */
export class Meter {
  readonly begun: string[] = []
  running = 0
  most = 0

  async run(name: string, weight = 1, ms = 2): Promise<void> {
    this.begun.push(name)
    this.running += weight
    this.most = Math.max(this.most, this.running)
    await new Promise((resolve) => setTimeout(resolve, ms))
    this.running -= weight
  }
}
