/** The program of an isolated process. The thread that guards this process runs the same file. */
import { isMainThread } from 'node:worker_threads'

if (isMainThread)
  void import('./api/isolated-host.ts').then(({ hostIsolated }) => hostIsolated(process.argv[1]!))
else void import('./isolation/memory-guard.ts').then(({ guard }) => guard())
