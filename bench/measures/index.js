/**
 * The measures, in the order of the table. Each measure has these fields:
 *
 *   name      its name for --only
 *   peers     the names of the peers that are measured
 *   rows      its figures: metric, label, unit, and a target (optional), which has one of these fields:
 *               times   Lark's figure must be at least this many times the other figure
 *               part    Lark's figure must be at most this many times the other figure
 *               most    Lark's figure must be at most this number
 *   run       gets the stage of child.js, and returns the metrics
 *   rounds    the number of rounds, if it needs fewer rounds than other measures
 *   slow      if true, the measure runs only with --slow
 *   delay     the network delay in milliseconds between client and server, each way
 *   like      the name of another measure: the figures of the peers come from that measure
 */
import { blocked } from './blocked.js'
import { measures as cpu } from './cpu.js'
import { measures as crash, supervised } from './crash.js'
import { measures as delayed } from './delayed.js'
import { measures as embedded } from './embedded.js'
import { measures as enqueue } from './enqueue.js'
import { measures as features } from './features.js'
import { measures as flatness, fleets } from './flatness.js'
import { embedded as embeddedFlows, measures as flows } from './flows.js'
import { measures as latency } from './latency.js'
import { measures as memory } from './memory.js'
import { measures as outbox } from './outbox.js'
import { measures as presets } from './presets.js'
import { measures as processing } from './process.js'
import { program } from './program.js'
import { measures as schedules } from './schedules.js'
import { embedded as embeddedSteps, measures as steps } from './steps.js'
import { measures as telemetry } from './telemetry.js'

/**
 * `against`: the figures by which Lark's figures are divided. These figures belong to another peer or to
 * another measure. If `against` has two entries, both ratios must meet the target.
 */
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
  {
    title: 'Redis, telemetry',
    against: [{ title: '÷ none', peer: 'lark', measure: 'telemetry-none' }],
    measures: telemetry,
  },
  {
    title: 'Redis, flows and schedules',
    against: [{ title: '÷ BullMQ', peer: 'bullmq' }],
    measures: [...flows, ...schedules],
  },
  {
    title: 'Redis, durable steps',
    against: [{ title: '÷ DBOS', peer: 'dbos' }],
    measures: steps,
  },
  { title: 'Redis, dispatches in transactions of PostgreSQL', against: [], measures: outbox },
  { title: 'Redis, by preset', against: [{ title: '÷ balanced', peer: 'lark' }], measures: presets },
  {
    title: 'Embedded store',
    against: [{ title: '÷ plainjob', peer: 'plainjob' }],
    measures: [
      ...embedded,
      ...embeddedFlows,
      ...embeddedSteps,
      program('embedded-program', 'lark-embedded', 'embedded-process-50', 4, 60_000),
      blocked('embedded-blocked', 'lark-embedded'),
      supervised('embedded-crash', 'lark-embedded'),
    ],
  },
]

export const all = sections.flatMap((section) => section.measures)
