/**
 * A role ends when the conductor ends in any way, because its stdin is a pipe that closes then.
 */
process.stdin
  .on('end', () => process.exit(1))
  .resume()
  .unref()
