/**
 * The classes that the workers of a fake know: the classes whose jobs were dispatched into the fake, and all
 * other job classes of this process. Tests often define several classes with the same name, so the classes
 * that were dispatched come first.
 */
import { classOf, classWith, type JobClass, type JobConstructor } from '../options/job-class.ts'
import { Registry } from '../options/registry.ts'

export class MetClasses extends Registry {
  readonly #met = new Map<string, JobClass>()

  /**
   * Notes that a job of the class is dispatched. If two classes have the same key, the later one counts,
   * because modules may be loaded again.
   */
  meet(Class: JobConstructor): void {
    const jobClass = classOf(Class)
    for (const key of [jobClass.key, ...jobClass.aliases]) this.#met.set(key, jobClass)
  }

  override find(key: string): JobClass | undefined {
    const found = this.#met.get(key) ?? classWith(key)
    // From now on, the workers announce that they know the class. Flows and schedules wait for this
    // announcement.
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
