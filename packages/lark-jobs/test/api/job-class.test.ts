import { describe, expect, test, vi } from 'vitest'
import { newJobs } from '../../src/dispatch/new-job.ts'
import {
  exponential,
  type GroupBy,
  group,
  isolated,
  Job,
  keep,
  type Unique,
  unique,
} from '../../src/index.ts'
import { classOf, type JobConstructor, type JobLike } from '../../src/options/job-class.ts'
import { jobSettings } from '../../src/options/job-settings.ts'
import { Registry } from '../../src/options/registry.ts'

const messageOf = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`
  }
  throw new Error('was not refused')
}

/** Makes a job class with one extra field. */
function jobWith(field: string, value: unknown): JobConstructor {
  return class OddJob extends Job {
    constructor() {
      super()
      Object.assign(this, { [field]: value })
    }
    handle() {}
  } as unknown as JobConstructor
}

describe('the error for a wrong setting names the class, the field, the value, and the allowed values', () => {
  test.each([
    ['tries', 0, 'tries is 0; it must be a whole number from 1'],
    ['tries', 2.5, 'tries is 2.5; it must be a whole number from 1'],
    ['priority', 1_001, 'priority is 1001; it must be a whole number from -1000 to 1000'],
    ['delay', 'soon', "delay is 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d'"],
    [
      'timeout',
      0,
      "timeout is 0; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0",
    ],
    ['queueName', '', "queueName is ''; it must be the name of a queue, such as 'emails'"],
    [
      'aliases',
      'old',
      "aliases is 'old'; it must be a list of texts of up to 200 characters, such as ['old-name']",
    ],
    ['key', '', "key is ''; it must be a text of up to 200 characters, such as 'send-email'"],
    ['key', 7, "key is 7; it must be a text of up to 200 characters, such as 'send-email'"],
    ['delay', Number.POSITIVE_INFINITY, 'delay is Infinity; it must be milliseconds'],
    ['timeout', 1e21, 'timeout is 1e+21; it must be milliseconds'],
    ['backoff', 1e21, 'backoff is 1e+21; it must be milliseconds'],
    [
      'backoff',
      exponential({ to: Number.POSITIVE_INFINITY }),
      'backoff is { from: 1000, to: Infinity, jitter: 0.5 }; it must be milliseconds',
    ],
    [
      'backoff',
      'soon',
      "backoff is 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', a list of up to 100 of these, exponential(), or a function",
    ],
    [
      'retryUntil',
      -1,
      "retryUntil is -1; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0",
    ],
    ['retryUntil', 0, 'retryUntil is 0; it must be milliseconds'],
    ['retryUntil', null, 'retryUntil is null; it must be milliseconds'],
    ['queue', 'emails', "queue is 'emails'; it must be written as queueName = 'emails': Lark reads no field"],
    ['retryIf', false, 'retryIf is false; it must be a method'],
    ['failed', 'mail', "failed is 'mail'; it must be a method"],
    ['middleware', [], 'middleware is []; it must be a method that returns a list of functions'],
    ['middleware', () => 'log', "middleware() is 'log'; it must be a list of functions"],
    ['tries', '3', "tries is '3'; it must be a whole number from 1"],
    ['priority', 1.5, 'priority is 1.5; it must be a whole number from -1000 to 1000'],
    ['expiresIn', 'soon', "expiresIn is 'soon'; it must be milliseconds, or a text like '30s'"],
    ['expiresIn', 0, 'expiresIn is 0; it must be milliseconds'],
    ['cancelled', 'mail', "cancelled is 'mail'; it must be a method"],
    ['key', 'two\nlines', "key is 'two\\nlines'; it must be a text"],
    ['unique', 'user', "unique is 'user'; it must be unique(), or unique((payload) => payload.id)"],
    ['unique', (payload: { id: string }) => payload.id, 'unique is a function; it must be unique()'],
    ['unique', unique({ replace: 'yes' as never }), "unique.replace is 'yes'; it must be true or false"],
    ['keep', '30d', "keep is '30d'; it must be keep({ completed: '30d', failed: false })"],
    ['keep', keep({ done: '1d' } as never), 'keep.done is not an option'],
    ['keep', keep({ failed: true as never }), 'keep.failed is true; it must be false, or milliseconds'],
    ['keep', keep({ log: 0 }), 'keep.log is 0; it must be false, or milliseconds'],
    ['isolate', true, "isolate is true; it must be isolated(), or isolated({ memory: '512mb' })"],
    [
      'isolate',
      isolated({ memory: '10mb' }),
      "isolate.memory is '10mb'; it must be a whole number with kb, mb or gb, from 64mb",
    ],
    [
      'isolate',
      isolated({ memory: 512 as never }),
      'isolate.memory is 512; it must be a whole number with kb',
    ],
    ['isolate', isolated({ grace: -1 }), 'isolate.grace is -1; it must be milliseconds'],
    [
      'isolate',
      isolated({ file: './a.js' }),
      "isolate.file is './a.js'; it must be import.meta.url, __filename",
    ],
    ['isolate', isolated({ pids: 3 } as never), 'isolate.pids is not an option'],
    ['keepResult', 0, 'keepResult is 0; it must be milliseconds'],
    ['keepResult', false, 'keepResult is false; it must be milliseconds'],
    ['maxCrashes', 0, 'maxCrashes is 0; it must be a whole number from 1 to 100'],
    ['maxCrashes', 101, 'maxCrashes is 101; it must be a whole number from 1 to 100'],
    ['unique', { by: 'id' }, "unique.by is 'id'; it must be a function of the payload"],
    ['middleware', () => [1], 'middleware() is [ 1 ]; it must be a list of functions'],
    [
      'middleware',
      () => {
        throw new Error('no')
      },
      'middleware() threw: no',
    ],
    ['backoff', ['1s', 'x'], "backoff is [ '1s', 'x' ]; it must be milliseconds"],
    [
      'backoff',
      exponential({ from: 'soon' }),
      "backoff is { from: 'soon', to: 600000, jitter: 0.5 }; it must be",
    ],
  ])('%s: %o', (field, value, message) => {
    const refusal = messageOf(() => classOf(jobWith(field, value)))
    expect(refusal).toContain(`JOB_INVALID: OddJob: ${message}`)
    expect(refusal.split('\n')).toHaveLength(1)
  })
})

test('a class may have a member `queue` that is not the name of a queue', () => {
  class QueueJob extends Job {
    queue() {
      return []
    }
    handle() {}
  }
  expect(classOf(QueueJob).read.queueName).toBe('default')
  expect(classOf(jobWith('queue', ['a'])).read.queueName).toBe('default')
})

describe('a class that hides a member of Job is refused', () => {
  const own = ['constructor', 'handle', 'retryIf', 'failed', 'cancelled', 'middleware']
  const members = Object.getOwnPropertyNames(Job.prototype).filter((name) => !own.includes(name))
  const refusal = (name: string) => `JOB_INVALID: OddJob: ${name} hides a member of Job with the same name`

  test.each(members)('%s is refused as a field, as a method, and as a member of a base class', (name) => {
    class MethodJob extends Job {
      override readonly key = 'odd'
      handle() {}
    }
    Object.defineProperty(MethodJob.prototype, name, { value() {} })
    Object.defineProperty(MethodJob, 'name', { value: 'OddJob' })
    class OddJob extends MethodJob {}
    expect(messageOf(() => classOf(MethodJob as unknown as JobConstructor))).toContain(refusal(name))
    expect(messageOf(() => classOf(OddJob as unknown as JobConstructor))).toContain(refusal(name))
    class FieldJob extends Job {
      override readonly key = 'odd'
      constructor() {
        super()
        Object.defineProperty(this, name, { value: undefined })
      }
      handle() {}
    }
    Object.defineProperty(FieldJob, 'name', { value: 'OddJob' })
    expect(messageOf(() => classOf(FieldJob as unknown as JobConstructor))).toContain(refusal(name))
  })

  test('a class is accepted if a test spies on its method', () => {
    class WatchedJob extends Job {
      handle() {}
    }
    vi.spyOn(WatchedJob.prototype, 'dispatch')
    expect(classOf(WatchedJob as unknown as JobConstructor)).toMatchObject({ name: 'WatchedJob' })
  })

  test.each(['step', 'sleep', 'waitFor'])('the member %s of Job may not be hidden', (name) =>
    expect(members).toContain(name),
  )
})

test('correct settings are converted to the units of the store', () => {
  class ReportJob extends Job {
    override queueName = 'low-priority'
    override priority = -5
    override delay = '1m'
    override tries = 5
    override backoff = exponential({ from: '10s', to: '1h' })
    override timeout = '30s'
    handle() {}
  }
  expect(classOf(ReportJob as unknown as JobConstructor)).toMatchObject({
    key: 'ReportJob',
    queueName: 'low-priority',
    priority: -5,
    delay: 60_000,
    tries: 5,
    backoff: { from: 10_000, to: 3_600_000, jitter: 0.5 },
    timeout: 30_000,
  })
})

test('maxCrashes of a class is in the record of each of its jobs, and a class without maxCrashes stores nothing', () => {
  class PlainJob extends Job {
    handle() {}
  }
  class ChargeJob extends PlainJob {
    override maxCrashes = 1
  }
  expect(newJobs(new PlainJob() as JobLike, [undefined]).records[0]).not.toHaveProperty('options')
  const [record] = newJobs(Object.assign(new ChargeJob(), { tries: 5 }) as JobLike, [undefined]).records
  expect(record!.options).toEqual({ maxCrashes: 1, tries: 5 })
  expect(newJobs(new ChargeJob() as JobLike, [undefined]).records[0]!.options).toEqual({ maxCrashes: 1 })
})

test('the retention of a class is in the record of each of its jobs, and a class without retention stores nothing', () => {
  class PlainJob extends Job {
    handle() {}
  }
  class ChargeJob extends PlainJob {
    override keep = keep({ completed: '30d', cancelled: false, log: '1h' })
  }
  class RenderJob extends PlainJob {
    override keepResult = '10m'
  }
  class BothJob extends ChargeJob {
    override keepResult = '10m'
  }
  const kept = (given: Job) => newJobs(given as JobLike, [undefined]).records.map((record) => record.keep)
  const charged = { completed: 30 * 86_400_000, cancelled: 0, log: 3_600_000 }
  expect(kept(new PlainJob())).toEqual([undefined])
  expect(newJobs(new PlainJob() as JobLike, [undefined]).records[0]).not.toHaveProperty('keep')
  expect(kept(new ChargeJob())).toEqual([charged])
  expect(kept(new RenderJob())).toEqual([{ least: 600_000 }])
  expect(kept(new BothJob())).toEqual([{ ...charged, least: 600_000 }])
})

test('a hook of a class is distinguished from the empty hook of Job, whichever copy of the package has the base class', () => {
  class PlainJob extends Job {
    handle() {}
  }
  class TellingJob extends PlainJob {
    override failed() {}
    override retryIf() {
      return false
    }
  }
  class HeirJob extends TellingJob {}
  const asked = (make: unknown) => {
    const { hasFailed, hasRetryIf } = classOf(make as JobConstructor)
    return { hasFailed, hasRetryIf }
  }
  expect(asked(PlainJob)).toEqual({ hasFailed: false, hasRetryIf: false })
  expect(asked(TellingJob)).toEqual({ hasFailed: true, hasRetryIf: true })
  expect(asked(HeirJob)).toEqual({ hasFailed: true, hasRetryIf: true })
  // In another version of the package, Job has no hooks, or marks its own empty hooks.
  expect(asked(jobWith('failed', undefined))).toEqual({ hasFailed: false, hasRetryIf: false })
  const marked = Object.assign(() => {}, { [Symbol.for('s18i.lark.job.idle')]: true })
  expect(asked(jobWith('failed', marked))).toEqual({ hasFailed: false, hasRetryIf: false })
})

test('a short name that a minifier has made cannot be the key of a class', () => {
  const anonymous = [
    class extends Job {
      handle() {}
    },
  ][0]!
  expect(messageOf(() => classOf(anonymous as unknown as JobConstructor))).toMatch(
    'JOB_INVALID: A job class has no name and no key',
  )
  class Ab extends Job {
    handle() {}
  }
  expect(messageOf(() => classOf(Ab as unknown as JobConstructor))).toMatch(
    'JOB_INVALID: Ab: a minifier made this name, and the class has no key',
  )
  class Ac extends Job {
    override readonly key = 'ac'
    handle() {}
  }
  expect(classOf(Ac as unknown as JobConstructor).key).toBe('ac')
})

/** Makes the class that this text declares, as it would be in a bundle. */
const made = (text: string) => new Function('e', `${text}; return e.made`)({ Job }) as JobConstructor

test.each([
  ['YBn', 'class YBn extends e.Job{async handle(t){this.info(t)}}e.made=YBn'],
  ['YBn', 'const YBn=class extends e.Job{tries=5;async handle(t){}};e.made=YBn'],
  ['n$t', 'class n$t extends e.Job{handle(){}}e.made=n$t'],
  ['_ab', 'class _ab extends e.Job{handle(){}}e.made=_ab'],
  ['oAe', 'var oAe=class extends e.Job{handle(){}};e.made=oAe'],
  ['Pr', 'class Pr extends e.Job{handle(){}}e.made=Pr'],
  ['P', 'class P extends e.Job { handle() {} }\ne.made = P'],
])('a class with a short name in minified code is refused: %s', (name, text) => {
  expect(messageOf(() => classOf(made(text)))).toBe(
    `JOB_INVALID: ${name}: a minifier made this name, and the class has no key`,
  )
})

test.each([
  ['Sms', 'class Sms extends e.Job { handle() {} }\ne.made = Sms'],
  ['sms', 'class sms extends e.Job {\n  handle() {}\n}\ne.made = sms'],
  ['IoT', 'class IoT extends e.Job {\n  handle() {}\n}\ne.made = IoT'],
  ['aBc', 'class aBc extends e.Job{\n  handle() {}\n}\ne.made = aBc'],
  ['Job1', 'class Job1 extends e.Job{handle(){}}e.made=Job1'],
  ['SyncA', 'class SyncA extends e.Job{handle(){}}e.made=SyncA'],
  ['PR', 'class PR extends e.Job {\n  handle() {}\n}\ne.made = PR'],
  ['送信', 'class 送信 extends e.Job {\n  handle() {}\n}\ne.made = 送信'],
  // No minifier makes names that are not in ASCII. esbuild escapes such names if people gave them.
  ['送信', 'class 送信 extends e.Job{handle(){}}e.made=送信'],
  ['送信', 'class \\u9001\\u4FE1 extends e.Job{handle(){}}e.made=\\u9001\\u4FE1'],
  ['猫', 'class 猫 extends e.Job{handle(){}}e.made=猫'],
  // The minifier has kept the names in this code.
  [
    'Sms',
    'class t extends e.Job{static{Object.defineProperty(this,"name",{value:"Sms"})}handle(){}}e.made=t',
  ],
])('the name of a class in code that is not minified is its key, without a warning: %s', (name, text) => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  expect(classOf(made(text)).key).toBe(name)
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
})

test.each(['Fax', 'PR'])(
  'a short word in minified code may be a real name or a minified one, so it is the key, with a warning: %s',
  (name) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const make = made(`class ${name} extends e.Job{handle(){}}e.made=${name}`)
    expect(classOf(make)).toMatchObject({ key: name, name })
    expect(classOf(make).key).toBe(name)
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(`^The code of job class ${name} is minified, and it has no key`),
        { code: 'LARK_JOB_NAME' },
      ],
    ])
    warn.mockRestore()
  },
)

test.each([
  ['backof', '5s', 'backoff'],
  ['timeot', '30s', 'timeout'],
  ['attempts', 3, 'tries'],
  ['retries', 3, 'tries'],
  ['queueNam', 'emails', 'queueName'],
  ['maxCrash', 1, 'maxCrashes'],
  ['version', 2, 'static version'],
  ['redact', ['card.number'], 'static redact'],
])(
  'one warning appears for a field whose name resembles a setting of Lark, or is a setting of another job queue: %s',
  (field, value, meant) => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const Misspelt = class MisspeltJob extends Job {
      constructor() {
        super()
        Object.assign(this, { [field]: value })
      }
      handle() {}
    }
    classOf(Misspelt)
    classOf(Misspelt)
    const text = `MisspeltJob: ${field}: Lark reads no field of this name. Did you mean ${meant}?`
    expect(warn.mock.calls).toEqual([[text, { code: 'LARK_JOB_FIELD' }]])
    warn.mockRestore()
  },
)

test('a field with a name like a setting causes no warning if its value would not be allowed for this setting', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  class OwnFieldsJob extends Job {
    // These names resemble `tags` and `tries`, but the values are not allowed for these settings.
    tag = 'blue'
    trees = ['oak']
    attempts = new Map()
    mailer = { send() {} }
    handle() {}
  }
  classOf(OwnFieldsJob)
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
})

test('messages call a class by the name that its author gave, even if it is short, or else by its key', () => {
  const nameOf = (text: string) => classOf(made(text)).name
  expect(nameOf("class PR extends e.Job {\n  key = 'pull-request'\n}\ne.made = PR")).toBe('PR')
  expect(nameOf("class 送信 extends e.Job{key='send'}e.made=送信")).toBe('送信')
  expect(nameOf("class t extends e.Job{key='send'}e.made=t")).toBe('send')
  expect(nameOf("class YBn extends e.Job{key='send'}e.made=YBn")).toBe('send')
})

test('a class that is exported by default without a name has no key', () => {
  const make = made('e.made = { default: class extends e.Job { handle() {} } }.default')
  expect(messageOf(() => classOf(make))).toMatch('JOB_INVALID: A job class has no name and no key')
})

test('if the constructor of a class throws, the error names the class', () => {
  class NeedyJob extends Job {
    constructor() {
      super()
      throw new Error('no database')
    }
    handle() {}
  }
  expect(messageOf(() => classOf(NeedyJob as unknown as JobConstructor))).toBe(
    'JOB_INVALID: NeedyJob: its constructor threw: no database',
  )
})

describe('the registry', () => {
  class OneJob extends Job {
    override readonly key: string = 'one'
    override aliases = ['uno']
    handle() {}
  }
  const one = OneJob as unknown as JobConstructor

  test('finds a class by its key and by its aliases', () => {
    const registry = new Registry()
    registry.add(one)
    registry.add(one)
    expect(registry.keys).toEqual(['one', 'uno'])
    expect(registry.find('uno')?.Class).toBe(one)
    expect(registry.find('two')).toBeUndefined()
  })

  test('refuses two classes with the same key, even if the key is inherited or an alias', () => {
    class HeirJob extends OneJob {}
    class UnoJob extends Job {
      override readonly key = 'uno'
      handle() {}
    }
    for (const other of [HeirJob, UnoJob]) {
      const registry = new Registry()
      registry.add(one)
      expect(messageOf(() => registry.add(other as unknown as JobConstructor))).toMatch(
        /^JOB_KEY_TAKEN: Two job classes under the key '(one|uno)': OneJob and /,
      )
    }
  })

  test('refuses to register a class under two keys', () => {
    let made = 0
    class MovingJob extends Job {
      override readonly key = `moving-${made++}`
      handle() {}
    }
    expect(messageOf(() => new Registry().add(MovingJob as unknown as JobConstructor))).toBe(
      "JOB_KEY_TAKEN: MovingJob: a class must have one key, and this one has two: 'moving-0' and 'moving-1'",
    )
  })
})

describe('settings that a job has in its own fields, different from its class', () => {
  class SyncJob extends Job {
    shop = 'none'
    override backoff: string[] = ['1s', '5s']
    override unique: Unique | undefined = unique(() => this.shop, { debounce: '30s' })
    override group: GroupBy | undefined = group(() => this.shop, { rate: { limit: 100, per: '1m' } })
    handle() {}
  }
  const recordOf = (changes: object) =>
    newJobs(Object.assign(new SyncJob(), changes) as unknown as JobLike, [undefined]).records[0]!

  test.each(Object.keys(jobSettings.entries))('%s is checked when the job is dispatched', (name) => {
    recordOf({})
    expect(messageOf(() => recordOf({ [name]: false }))).toContain(
      `JOB_INVALID: SyncJob: ${name} is false; it must be`,
    )
  })

  test.each([
    [
      { unique: unique({ until: 'end' as 'done' }) },
      "unique.until is 'end'; it must be 'start', 'done' or 'queued'",
    ],
    [{ unique: unique({ untl: 'done' } as object) }, 'unique.untl is not an option'],
    [{ group: group(() => 'a', { rate: { limit: 0 } }) }, 'group.rate.limit is 0; it must be'],
    [{ backoff: ['1s', 'soon'] }, "backoff is [ '1s', 'soon' ]; it must be"],
    [{ expiresIn: '1m' }, "expiresIn is '1m'; it must be absent: it does not go with debounce"],
    [{ unique: unique({ keepLast: true }) }, 'it must be absent: keepLast has groups of its own'],
  ])('%o is refused', (changes, message) => {
    expect(messageOf(() => recordOf(changes))).toMatch(/^JOB_INVALID: SyncJob: /)
    expect(messageOf(() => recordOf(changes))).toContain(message)
  })

  test('settings of a single job are in its record', () => {
    const limits = { rate: { limit: 100, per: 60_000, kind: 'sliding', burst: 100 } }
    expect(recordOf({ shop: 'a' })).toMatchObject({
      delay: 30_000,
      lock: { name: 'SyncJob:a', until: 'start', replace: true, debounce: 30_000 },
      group: { name: 'a', limits },
    })
    expect(recordOf({ shop: 'b' }).lock?.name).toBe('SyncJob:b')
    expect(recordOf({}).options).toBeUndefined()
    expect(recordOf({ tries: 1, timeout: '5s', priority: 7 })).toMatchObject({
      priority: 7,
      options: { tries: 1, timeout: 5_000 },
    })
    expect(recordOf({ retryUntil: '1m', delay: '2m', unique: undefined }).options).toEqual({
      retryUntil: 180_000,
    })
    expect(recordOf({ backoff: ['1s', '6s'] }).options).toEqual({ backoff: [1_000, 6_000] })
    const without = recordOf({ unique: undefined, group: undefined })
    expect([without.lock, without.group, without.delay]).toEqual([undefined, undefined, undefined])
  })

  test('a list of settings that was changed in place counts as changed', () => {
    const shared: unknown[] = ['1s']
    class ListJob extends Job {
      override backoff = shared as string[]
      handle() {}
    }
    const record = () => newJobs(new ListJob(), [undefined]).records[0]!
    expect(record().options).toBeUndefined()
    shared.push('5s')
    expect(record().options).toEqual({ backoff: [1_000, 5_000] })
    shared.push('soon')
    expect(messageOf(record)).toContain("backoff is [ '1s', '5s', 'soon' ]")
  })
})

describe('an option that is undefined in a job does not replace the option of its class', () => {
  /** Makes the record of a job whose field differs from the field of its class. */
  const changed = (field: 'unique' | 'group', ofClass: object, ofJob: object) => {
    const job = new (jobWith(field, ofClass))()
    Object.assign(job, { [field]: ofJob })
    return newJobs(job, ['p']).records[0]!
  }
  const by = (payload: string) => payload

  test('the option of the class is not kept', () => {
    const { lock } = changed('unique', unique(by, { throttle: '1h' }), unique(by, {}))
    expect(changed('unique', unique(by, { throttle: '1h' }), { by, debounce: undefined }).lock).toEqual(lock)
    expect(changed('group', group(by, { concurrency: 1 }), { by, strict: undefined }).group).toEqual({
      name: 'p',
    })
  })

  test('a misspelled name of an option is refused', () => {
    expect(
      messageOf(() => changed('unique', unique(by, { throttle: '1h' }), { by, debouce: undefined })),
    ).toBe('JOB_INVALID: OddJob: unique.debouce is not an option')
  })
})
