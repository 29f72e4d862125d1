/**
 * The classes that the workers of a fake know: those whose jobs were dispatched into it, and those that this
 * process knows otherwise. Tests often define several classes with the same name, so those of the fake itself
 * come first.
 */
import { classOf, classWith, type JobClass, type JobConstructor } from '../options/job-class.ts'
import { Registry } from '../options/registry.ts'

export class MetClasses extends Registry {
  readonly #met = new Map<string, JobClass>()

  /**
   * A job of the class is dispatched. Of two classes with one key, the later counts: modules may be loaded
   * again.
   */
  meet(Class: JobConstructor): void {
    const jobClass = classOf(Class)
    for (const key of [jobClass.key, ...jobClass.aliases]) this.#met.set(key, jobClass)
  }

  override find(key: string): JobClass | undefined {
    const found = this.#met.get(key) ?? classWith(key)
    // From now on, the workers announce that they know the class: flows and schedules wait for that.
    if (found !== undefined) this.#met.set(key, found)
    return found ?? super.find(key)
  }

  override get keys(): string[] {
    return [...new Set([...this.#met.keys(), ...super.keys])]
  }

  override get classes(): JobClass[] {
    return [...new Set([...this.#met.values(), ...super.classes])]
  }
}
