/** The person who changes something by hand. */
import { hostname, userInfo } from 'node:os'
import { isObject, isText, type OptionsOf, oneOf, option, Schema } from '../../options/schema.ts'

/** The longest name of a person or a machine, in characters. Longer names are cut. */
const LONGEST = 64

/** How people change something: with a command of `lark`, a dashboard, or other code. */
export const actorOrigins = ['command', 'dashboard', 'code'] as const
export type ActorOrigin = (typeof actorOrigins)[number]

export const actorSchema = new Schema("a name, or an object such as { name: 'ada', from: 'dashboard' }", {
  /** The name of the person. Default: the user of the operating system. */
  name: option<string>('the name of a person', isText),
  /** The machine from which the person makes the change. Default: the machine of this process. */
  host: option<string>('the name of a machine', isText),
  /** How the person makes the change. Default `code`. */
  from: oneOf<ActorOrigin>(actorOrigins),
})

/** The name of a person, or an object with more data about the person. */
export type Actor = string | ActorOptions

export interface ActorOptions extends OptionsOf<typeof actorSchema.entries> {}

/** The actor with all defaults filled in. */
export interface KnownActor {
  who: string
  host: string
  from: ActorOrigin
}

/** @throws the error that `voice` makes */
export function checkActor(actor: unknown, voice: Parameters<typeof actorSchema.readAll>[1]): void {
  if (!isText(actor)) actorSchema.readAll(actor, voice, 'actor')
}

export function knownActor(actor: Actor = {}): KnownActor {
  const { name, host = hostname(), from = 'code' } = isObject(actor) ? actor : { name: actor }
  return { who: (name ?? user()).slice(0, LONGEST), host: host.slice(0, LONGEST), from }
}

/** The text that is stored with a pause: `ada at web-1`. */
export function personOf({ who, host }: KnownActor): string {
  return `${who} at ${host}`
}

function user(): string {
  try {
    return userInfo().username
  } catch {
    // In a container, the user may have a number but no name.
    return `user ${process.getuid?.() ?? ''}`.trim()
  }
}
