/** How scripts are assembled from fragments, and which fragments the build refuses. */
import { expect, test } from 'vitest'
import { luaConstants } from '../../build/contract.js'
import { assemble } from '../../build/fragments.js'
import { NODES } from '../../src/store/contract/flows.ts'
import { rateKinds } from '../../src/store/contract/rules/rate.ts'
import * as contract from '../../src/store/contract/store.ts'

const constants = new Map([
  ['MAX_ITEMS', '1000'],
  ['RATE_KINDS', "{ 'window', 'bucket' }"],
])
const files = (texts: Record<string, string>) => new Map(Object.entries(texts))
const start = '-- gives: made, key\nlocal made = {}\nlocal function key(name)\n  return name\nend\n'
const line = "-- needs: start\n-- gives: line\nlocal function line()\n  return key('line')\nend\n"
const put = '-- needs: line\n-- gives: put\nlocal function put()\n  return line()\nend\n'

function scriptOf(texts: Record<string, string>): string {
  return assemble(files({ 'shared/start': start, ...texts }), constants)
    .get('verb')!
    .join('')
}

test('a script has each needed fragment once, in the order in which they need each other', () => {
  const text = scriptOf({
    'shared/put': put,
    'shared/line': line,
    verb: '-- verb: a test.\n-- needs: put, line, start\nput(line(made))\n',
  })
  expect(text.match(/^local (function )?\w+/gm)).toEqual([
    'local made',
    'local function key',
    'local function line',
    'local function put',
  ])
  expect(text).toMatch(/put\(line\(made\)\)\n$/)
  expect(text).not.toContain('--')
})

test('a module is made when a script first uses it, together with fragments that only this module needs', () => {
  const lanes =
    '-- module: lanes\n-- needs: line\n-- gives: reposition\nlocal function reposition()\n  return line()\nend\n'
  const texts = { 'shared/line': line, 'claim/shared/lanes/turn': lanes }
  const alone = scriptOf({
    ...texts,
    verb: '-- needs: start, lanes\nlanes(made).reposition()\nlanes().reposition()\n',
  })
  const head = 'local function lanes()\n  if made.lanes then\n    return made.lanes\n  end\n'
  expect(alone).toContain(`${head}local function line()`)
  expect(alone).toContain('made.lanes = { reposition = reposition }\nreturn made.lanes\nend\n')
  const beside = scriptOf({
    ...texts,
    verb: '-- needs: start, lanes, line\nline(made)\nlanes().reposition()\n',
  })
  expect(beside).toContain(`${head}local function reposition()`)
  expect(beside.indexOf('function line()')).toBeLessThan(beside.indexOf('function lanes()'))
})

test.each([
  ['last-token', 'last_tokens'],
  ['listening', 'listening'],
  ['effects/shared/effect', 'effects'],
  ['claim/shared/lanes/turn', 'lanes'],
])('a module of the file %s is called %s', (path, module) => {
  const text = '-- needs: start\n-- gives: some\nlocal function some()\n  return key(made)\nend\n'
  const use = `-- needs: start, ${module}\n${module}(made, key).some()\n${module}().some()\n`
  const named = path.includes('/') ? path : `claim/shared/${path}`
  expect(scriptOf({ [named]: `-- module: ${module}\n${text}`, verb: use })).toContain(`function ${module}()`)
})

test('the text of a script has the values of constants of the contract', () => {
  const text =
    "-- needs: start\nkey(made, MAX_ITEMS, 'MAX_ITEMS', key.MAX_ITEMS)\nfor _, kind in ipairs(RATE_KINDS) do\nend\n"
  expect(scriptOf({ verb: text })).toContain(
    "key(made, 1000, 'MAX_ITEMS', key.MAX_ITEMS)\nfor _, kind in ipairs({ 'window', 'bucket' }) do\n",
  )
})

test('the constants of the scripts are the same as those of the contract', async () => {
  const constants = await luaConstants()
  for (const name of ['MAX_ITEMS', 'RESEND_MEMORY', 'PINNED', 'NODES'] as const)
    expect(constants.get(name), name).toBe(String({ ...contract, NODES }[name]))
  expect(constants.get('RATE_KINDS')).toBe(`{ '${rateKinds.join("', '")}' }`)
  expect(constants.get('RESULT_PURGED')).toBe("'!it was purged'")
})

test.each([
  [
    'a name that is used and not given',
    { verb: '-- needs: start\nput(key(made))\n' },
    /^verb uses put, which nothing/,
  ],
  [
    'a name of a fragment that is not needed',
    { 'shared/line': line, 'shared/put': put, verb: '-- needs: put, start\nput(line(made))\n' },
    /^verb uses line, which nothing/,
  ],
  [
    'a name that is given twice',
    { 'shared/line': line, 'shared/queue': line, verb: '-- needs: start\nkey(made)\n' },
    /^shared\/queue gives line, and so does shared\/line$/,
  ],
  [
    'a name that is given and not declared',
    { 'shared/line': line.replace('function line', 'function row'), verb: '-- needs: start\nkey(made)\n' },
    /^shared\/line gives line, and does not declare it$/,
  ],
  [
    'a name that nothing uses',
    { 'shared/line': line, verb: '-- needs: start\nkey(made)\n' },
    /^shared\/line gives line, which nothing uses$/,
  ],
  [
    'a fragment that is needed and not used',
    { 'shared/line': line, verb: '-- needs: start, line\nkey(made)\n' },
    /^verb needs line, and uses nothing of it$/,
  ],
  [
    'a fragment that is not there',
    { verb: '-- needs: start, lines\nkey(made)\n' },
    /^verb needs lines, which is no fragment for it$/,
  ],
  [
    'a part of a module',
    {
      'claim/shared/lanes/line': `-- module: lanes\n${line}`,
      verb: '-- needs: start, line\nkey(made, line())\n',
    },
    /^verb needs line, which is no fragment for it$/,
  ],
  [
    'a local with the name of a module',
    {
      'shared/line': `-- module: lines\n${line}`,
      verb: '-- needs: start, lines\nlocal lines = lines().line(key(made))\n',
    },
    /^verb declares lines, which is a module that it needs$/,
  ],
  [
    'a question for a module that does not exist',
    { verb: '-- needs: start\nif made.lines then\n  key(made)\nend\n' },
    /^verb asks whether lines is made, which is no module$/,
  ],
  [
    'a second file with a name',
    { 'shared/line': line, 'claim/line': '-- needs: start, line\nkey(made, line())\n' },
    /^claim\/line has the name of shared\/line$/,
  ],
  [
    'a module with another name than its file',
    { 'claim/shared/line': `-- module: lanes\n${line}`, verb: '-- needs: start, lanes\nlanes(made, key)\n' },
    /^claim\/shared\/line is part of the module lanes, which has neither its name nor that of its folder$/,
  ],
  [
    'a constant of the contract that is written again',
    { verb: '-- needs: start\nlocal MAX_ITEMS = 1000\nkey(made)\n' },
    /^verb declares MAX_ITEMS, which is a constant of the contract$/,
  ],
  [
    'a table that lacks a kind',
    {
      verb: '-- needs: start\n-- covers: RATE_KINDS in kinds\nlocal kinds = {}\nfunction kinds.window()\n  key(made)\nend\n',
    },
    /^verb has no kinds for bucket of RATE_KINDS$/,
  ],
  [
    'a table of kinds that the contract does not have',
    { verb: '-- needs: start\n-- covers: SPEEDS in kinds\nlocal kinds = {}\nkey(made, kinds)\n' },
    /^verb covers SPEEDS, which is no list of the contract$/,
  ],
  [
    'a circle',
    {
      'shared/line': line.replace('start', 'start, put').replace("('line')", '(put())'),
      'shared/put': put,
      verb: '-- needs: start, put\nput(made)\n',
    },
    /^put needs line needs put$/,
  ],
] as const)('%s is refused', (_, texts, message) => {
  expect(() => scriptOf(texts as unknown as Record<string, string>)).toThrow(message)
})
