/**
 * A role ends with the conductor, however that one ended: its input is a pipe that closes then.
 */
process.stdin
  .on('end', () => process.exit(1))
  .resume()
  .unref()
