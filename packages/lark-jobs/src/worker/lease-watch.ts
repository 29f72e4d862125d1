/**
 * The lease thread: does for a worker what cannot wait while a handler blocks its event loop.
 *
 *   - What is held ahead past its window goes back, so that another worker starts it; so does what the store handed
 *     over and the loop has not read (`recaller.ts`).
 *   - Claims that were not renewed for half a lease are renewed.
 *   - Under a supervisor, a handler that blocks the loop long past its timeout is counted as failed, what ran beside
 *     it is put back, and the process ends.
 *
 * It reads the worker's ledger and changes it only by taking what is held ahead. It has a store of its own, for the
 * worker's would need the loop that stands still. What fails is done again in the next look.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from '../store/connect.ts'
import { type LeaseNote, MAX_ITEMS, type Store } from '../store/store.ts'
import { Claimer } from './claimer.ts'
import { clock, type Message, Pulse, type Served, type Watch } from './lease-thread.ts'
import { AHEAD, DONE, Page, RETURNED, RUNNING } from './ledger.ts'
import { Recaller } from './recaller.ts'
import { Unread } from './unread.ts'

const watch = workerData as Watch
/** Milliseconds between two looks: while jobs are held ahead, and for a second after; else. */
const LOOK = { often: 5, rarely: Math.min(250, watch.lease / 8) }
const AWAKE = 1_000
/** Milliseconds beyond the window that the worker gets to return jobs itself. */
const GRACE = 8
/** Milliseconds past its timeout that a handler may block, and that the loop must have stood still. */
const STUCK = { after: 10_000, still: 5_000 }
/** Milliseconds for the last words of a process that is about to be killed. */
const LAST_CALL = 3_000

const pulse = new Pulse(watch.pulse)
const pages: Page[] = []
const never = new AbortController().signal
// One listener a partition, and Node would warn of a leak from eleven on.
setMaxListeners(0, never)
let store: Store | undefined
/** One a partition, in the order in which the worker met them; none before the store is open. */
const claimers: Claimer[] = []
const unread: Unread[] = []
const recaller = new Recaller({
  unread,
  ask: (number) => parentPort!.postMessage(number),
  sign: () => pulse.sign,
  runs: () => pages.some((page) => page.inUse && page.states.includes(RUNNING)),
  recover: (index, number) =>
    store!.recover(watch.partitions[index]!.partition, { unread: `${watch.caller}.${number}` }),
})
/** Those that have something to hand back, until it is. */
const settling = new Map<Claimer, Promise<void>>()
let awakeUntil = 0
let timer: NodeJS.Timeout | undefined
let isRenewing = false
let isEnding = false

const now = () => clock() - watch.origin

parentPort!.on('message', (message: Message) => {
  if (message === 'end') process.exit()
  if (message instanceof SharedArrayBuffer) pages.push(new Page(message))
  else if (message !== 'wake') serve(message)
  awakeUntil = now() + AWAKE
  look()
})
await open()
look()

async function open(): Promise<void> {
  const { connection, prefix, options } = watch.place
  const opened = await connect(connection, prefix, options)
  // The worker tells people of a store that is away.
  while (
    await opened.open().then(
      () => false,
      () => true,
    )
  )
    await pause(LOOK.rarely)
  store = opened
  serve()
}

/** One more partition, if it is told of one; what cannot be served yet is when the store is open. */
function serve(served?: Served): void {
  if (served !== undefined) watch.partitions.push(served)
  if (store === undefined) return
  const { caller, lease } = watch
  const changed = (claimer: Claimer) => {
    if (!settling.has(claimer)) settling.set(claimer, settle(claimer))
  }
  for (const { partition, unread: memory } of watch.partitions.slice(claimers.length)) {
    claimers.push(new Claimer({ store, partition, caller: `${caller}-thread`, lease, changed }))
    // A store in this process is answered by the loop that asks it.
    if (store.isElsewhere) unread.push(new Unread(memory))
  }
}

function look(): void {
  clearTimeout(timer)
  const at = now()
  // Before it looks: what is held from now on calls, what was held before is seen.
  pulse.isDozing = at > awakeUntil
  if (store !== undefined && !isEnding) {
    returnOverdue(at)
    recaller.look(at)
    if (Date.now() - pulse.renewedAt > watch.lease / 2 && !isRenewing) void renew()
    if (watch.kills && at - pulse.beat > STUCK.still) endIfStuck(at)
  }
  timer = setTimeout(look, pulse.isDozing ? LOOK.rarely : LOOK.often)
}

/** The jobs in one state, page by page. */
function* jobsIn(state: number): Generator<{ page: Page; index: number; id: string; token: string }> {
  for (const page of pages) {
    page.isRead = true
    try {
      // A partition of which the word is still on its way: memory is faster than messages.
      if (!page.inUse || page.head[2]! >= claimers.length || !page.states.includes(state)) continue
      const token = `${watch.caller}.${page.claim[0]}`
      for (const [index, id] of page.ids.entries()) {
        if (page.states[index] === state) yield { page, index, id, token }
      }
    } finally {
      page.isRead = false
    }
  }
}

function returnOverdue(at: number): void {
  for (const { page, index, id, token } of jobsIn(AHEAD)) {
    awakeUntil = at + AWAKE
    pulse.isDozing = false
    if (page.claim[1]! + watch.window + GRACE > at) continue
    if (Atomics.compareExchange(page.states, index, AHEAD, RETURNED) !== AHEAD) continue
    claimers[page.head[2]!]!.settle(id, token, { kind: 'returned' }, at)
  }
}

async function settle(claimer: Claimer): Promise<void> {
  // What one look finds goes together.
  await null
  while (claimer.hasSettlements) await claimer.exchange(0, 0, never)
  settling.delete(claimer)
}

/**
 * Renews what runs: one job would do for its claim, but all are noted as begun. And what is done, whose outcome may
 * still wait in the loop; the store passes over those that are settled.
 */
async function renew(): Promise<void> {
  isRenewing = true
  const notes = watch.partitions.map((): LeaseNote[] => [])
  for (const state of [RUNNING, DONE])
    for (const { page, id, token } of jobsIn(state)) notes[page.head[2]!]!.push({ id, token })
  try {
    for (const [partition, list] of notes.entries()) {
      for (let i = 0; i < list.length; i += MAX_ITEMS)
        await store!.extend(
          watch.partitions[partition]!.partition,
          watch.caller,
          list.slice(i, i + MAX_ITEMS),
          watch.lease,
        )
    }
    // Whose lease is lost, and what is to be cancelled, the worker learns when it can do something about it.
    if (notes.some(({ length }) => length > 0)) await pause(watch.lease / 4)
  } catch {
    await pause(LOOK.rarely)
  } finally {
    isRenewing = false
  }
}

function endIfStuck(at: number): void {
  const running = [...jobsIn(RUNNING)]
  if (!running.some(({ page, index }) => page.terms[index * 3]! + STUCK.after < at)) return
  isEnding = true
  for (const { page, index, id, token } of running) {
    const [deadline, retryIn, run] = page.terms.subarray(index * 3, index * 3 + 3)
    const message = 'it took longer than its timeout, and blocked its process'
    const error = { run: run!, name: 'JobsError', code: 'JOB_TIMED_OUT', message }
    claimers[page.head[2]!]!.settle(
      id,
      token,
      deadline! < at
        ? { kind: 'failed', error, ...(retryIn! >= 0 && { retryIn: retryIn! }) }
        : { kind: 'released', in: 0 },
      at,
    )
  }
  for (const { page, index, id, token } of jobsIn(AHEAD)) {
    if (Atomics.compareExchange(page.states, index, AHEAD, RETURNED) === AHEAD)
      claimers[page.head[2]!]!.settle(id, token, { kind: 'returned' }, at)
  }
  const end = () => process.kill(process.pid, 'SIGKILL')
  setTimeout(end, LAST_CALL)
  void Promise.all(settling.values()).then(end)
}
