/**
 * The measures, in the order of the table. Each is:
 *
 *   name      what --only calls it
 *   peers     who takes part
 *   rows      the figures that it brings: metric, label, unit, and the target, if there is one:
 *               times   Lark's figure is at least so many times the other's
 *               part    at most this part of it
 *               most    at most so much by itself
 *   run       takes what child.js gives it, returns the metrics
 *   rounds    when it needs fewer than the others
 *   slow      only with --slow
 *   delay     milliseconds each way between client and server
 *   like      another measure, whose figures of the peers are those to compare with
 */
import { blocked } from './blocked.js'
import { measures as cpu } from './cpu.js'
import { measures as crash, supervised } from './crash.js'
import { measures as delayed } from './delayed.js'
import { measures as embedded } from './embedded.js'
import { measures as enqueue } from './enqueue.js'
import { measures as features } from './features.js'
import { measures as flatness, fleets } from './flatness.js'
import { measures as latency } from './latency.js'
import { measures as memory } from './memory.js'
import { measures as presets } from './presets.js'
import { measures as processing } from './process.js'
import { program } from './program.js'

/** `against`: the figures that Lark's are divided by: those of a peer, or of another measure. Of two the harder counts. */
export const sections = [
  {
    title: 'Redis',
    against: [
      { title: '÷ BullMQ', peer: 'bullmq' },
      { title: '÷ its best', peer: 'bullmq-lean' },
    ],
    measures: [
      ...enqueue,
      ...processing,
      program('program', 'lark', 'process-50', 7, 150_000),
      ...cpu,
      ...memory,
      ...latency,
      ...delayed,
      blocked('blocked', 'lark'),
      ...crash,
    ],
  },
  {
    title: 'Redis, when there is more of everything',
    against: [{ title: '÷ 1 waiting', peer: 'lark', measure: 'waiting-1' }],
    measures: flatness,
  },
  {
    title: 'Redis, many workers',
    against: [{ title: '÷ 1 worker', peer: 'lark', measure: 'workers-1' }],
    measures: fleets,
  },
  {
    title: 'Redis, what a job uses',
    against: [{ title: '÷ plain', peer: 'lark', measure: 'feature-plain' }],
    measures: features,
  },
  { title: 'Redis, by preset', against: [{ title: '÷ balanced', peer: 'lark' }], measures: presets },
  {
    title: 'Embedded store',
    against: [{ title: '÷ plainjob', peer: 'plainjob' }],
    measures: [
      ...embedded,
      program('embedded-program', 'lark-embedded', 'embedded-process-50', 4, 60_000),
      blocked('embedded-blocked', 'lark-embedded'),
      supervised('embedded-crash', 'lark-embedded'),
    ],
  },
]

export const all = sections.flatMap((section) => section.measures)
