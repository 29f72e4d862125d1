/**
 * The contract between the job queue and a place where limiters are kept: an interface of its own beside the job verbs
 * (`store.ts`), which it knows nothing of. `test/conformance/limiters.ts` and `circuits.ts` say in tests what this page
 * says in prose.
 *
 * **Limiter.** It has a name, which does not begin with a brace, and gives out permits over all workers: so many at a
 * time, so many within a time, or both. There is nothing to set up. What the limits are, each call says; a limiter that
 * nobody uses leaves nothing behind but when permits of a rate were given out. A permit is one of a number: who needs
 * three for one job takes three.
 *
 * **Holder.** A worker. Of each the limiter knows how many permits it holds, and until when: a lease of the store's
 * clock. A holder whose lease has ended holds nothing. It may come back and say how many it uses; then these count, also
 * beyond what the limits allow, and nobody gets more until they are fewer.
 *
 * **Calls.** A holder numbers its calls on a limiter, each higher than the last, one under way at a time. One that is
 * sent again because its answer was lost is answered as the first time, for as long as its lease lasts; nothing is
 * counted twice. One with a lower number than the last is refused: it comes out of a connection that was given up.
 *
 * **Lots.** Who asks for lots of one size and gets none waits for a lease, longer where a rate says so. Of the sizes that
 * somebody waits for, that which has waited longest comes first: as many permits as such a lot has are kept from all who
 * ask for another size, until one is given out, whoever gets it. So a large lot is not waited for in vain while small ones
 * are taken, nor a small one while large ones are. Lots of which there are never enough wait for nothing.
 *
 * **Rates** count what is given out, used or not.
 *
 * Failures are those of every verb: see `store.ts`.
 */
import type { Circuit, CircuitEvent, CircuitRule } from '../circuit.ts'
import type { Limits } from '../limit.ts'

/** What a holder says and asks. */
export interface PermitCall {
  holder: string
  number: number
  limits: Limits
  /** Permits that it uses: those that it had and does not name are given back. */
  held: number
  /** How many more it wants, up to `MAX_ITEMS`. With 0 it renews its lease, and gives back. */
  wanted: number
  /** Permits are of use to it only in such lots: it is given a multiple of this. Default 1. */
  each?: number
  /** Milliseconds. */
  lease: number
}

export interface Permitted {
  granted: number
  /** When it is less than was wanted: milliseconds until a rate allows `each` more; absent: once some are given back. */
  wait?: number
}

export interface Limiters {
  /** Says what is held, and asks for more: gives out what the limits allow, and no more than is wanted. */
  permit(limiter: string, call: PermitCall): Promise<Permitted>

  /**
   * Renews the lease of a holder who cannot say how many permits it uses, whatever it is.
   *
   * @returns whether it was still known: else it holds nothing, and should say what it uses
   */
  keep(limiter: string, holder: string, lease: number): Promise<boolean>

  /**
   * Tells a circuit of a run, and is told how it stands. One that begins on a circuit whose pause is over is its trial,
   * and the only one for another pause. Safe to repeat, except that a second `begins` is a second run.
   */
  circuit(name: string, rule: CircuitRule, event: CircuitEvent): Promise<Circuit>
}
