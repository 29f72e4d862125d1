/**
 * An error with its causes. The frames of the application come first in its stack. The frames of Node and of
 * packages are folded.
 */
import type { JobError, KeptError } from '@s18i/lark-jobs/operate'
import { plural } from './numbers.ts'

export function JobErrorView({ error, isCause = false }: { error: KeptError | JobError; isCause?: boolean }) {
  const { name, message, code, stack, cause, errors = [], more = 0 } = error
  const frames = (stack ?? '').split('\n').filter((line) => /^\s*at /.test(line))
  const own = frames.filter((line) => !/node_modules|node:|\(internal/.test(line))
  const others = frames.filter((line) => !own.includes(line))
  return (
    <div class="job-error">
      <p class="job-error-head">
        {isCause && <span class="quiet">caused by </span>}
        <strong>{name}</strong>
        {code !== undefined && <span class="quiet"> {code}</span>}
        {'release' in error && error.release !== undefined && (
          <span class="quiet"> in release {error.release}</span>
        )}
      </p>
      <pre class="job-error-message">{message}</pre>
      {own.length > 0 && <pre class="frames">{own.map((line) => line.trim()).join('\n')}</pre>}
      {others.length > 0 && (
        <details>
          <summary class="quiet small">{plural(others.length, 'frame')} of packages and of Node</summary>
          <pre class="frames quiet">{others.map((line) => line.trim()).join('\n')}</pre>
        </details>
      )}
      {cause !== undefined && <JobErrorView error={cause} isCause />}
      {errors.map((each, i) => (
        <JobErrorView key={`${i} ${each.message}`} error={each} isCause />
      ))}
      {more > 0 && <p class="quiet small">{plural(more, 'more error')}</p>}
    </div>
  )
}
