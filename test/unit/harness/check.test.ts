// Hand-made histories: the checker must see each kind of violation, and accuse nothing that some order of the operations excuses.

import { describe, expect, it } from 'vitest'
import { checkKeyed, checkOthers, createContext, type Violation } from '../../../harness/check.ts'
import type {
  Commit,
  Failure,
  KeyedOperation,
  Operation,
  OtherOperation,
  Outage,
  Read,
  Removal,
  SetValue,
  Sync,
} from '../../../harness/history.ts'

const MAX_STALENESS_MS = 500

function check(...operations: readonly Operation[]): Violation[] {
  const keyed = operations.filter((operation): operation is KeyedOperation => 'key' in operation)
  const others = operations.filter((operation): operation is OtherOperation => !('key' in operation))
  const context = createContext(others, { maxStalenessMs: MAX_STALENESS_MS })
  return [...checkKeyed(keyed, context), ...checkOthers(others, context)]
}

/** What was found, in one line each. */
const found = (...operations: readonly Operation[]): string[] =>
  check(...operations).map(({ guarantee, what }) => `${guarantee}: ${what}`)

const commit = (version: number, start: number, end: number, more: Partial<Commit> = {}): Commit => ({
  op: 'commit',
  node: 'writer',
  key: 'k',
  version,
  stamp: `stamp ${version}`,
  by: 'transaction',
  acknowledged: true,
  start,
  end,
  ...more,
})

const set = (version: number, start: number, end: number, more: Partial<SetValue> = {}): SetValue => ({
  op: 'set',
  node: 'writer',
  key: 'k',
  version,
  stamp: `stamp ${version}`,
  tags: ['tag'],
  ttlMs: 10_000,
  acknowledged: true,
  start,
  end,
  ...more,
})

const read = (version: number | null, start: number, end: number, more: Partial<Read> = {}): Read => ({
  op: 'read',
  call: 'get',
  node: 'reader',
  key: 'k',
  fresh: false,
  tier: 'store',
  refetchedFrom: null,
  found: version === null ? null : { version, stamp: `stamp ${version}` },
  doubtful: false,
  start,
  end,
  ...more,
})

const removal = (start: number, end: number, targets: readonly string[] = ['kk']): Removal => ({
  op: 'removal',
  node: 'writer',
  targets,
  acknowledged: true,
  start,
  end,
})

const sync = (start: number, end: number): Sync => ({ op: 'sync', node: 'reader', start, end })

describe('a local hit', () => {
  const history = [commit(1, 0, 10), commit(2, 20, 30)]

  it('may be as old as maxStaleness', () => {
    expect(found(...history, read(1, 530, 531, { tier: 'local' }))).toEqual([])
  })

  it('may not be older', () => {
    const late = read(1, 531, 532, { tier: 'local' })
    expect(found(...history, late)).toEqual(['G1: a local hit was older than maxStaleness'])
  })
})

describe('an answer of the store', () => {
  const history = [commit(1, 0, 10), commit(2, 20, 30)]
  const missed = ['G4: the store served what a committed transaction had made wrong']

  it('may miss a commit that was under way when it was asked', () => {
    expect(found(...history, read(1, 29, 60))).toEqual([])
  })

  it('may not miss one that was acknowledged before', () => {
    expect(found(...history, read(1, 31, 60))).toEqual(missed)
  })

  it('may come from a call of the same process that was under way', () => {
    expect(found(...history, read(1, 25, 60), read(1, 31, 60))).toEqual([])
  })

  it('may come from what the cache has begun to read again by itself', () => {
    expect(found(...history, read(1, 31, 60, { refetchedFrom: 29 }))).toEqual([])
    expect(found(...history, read(1, 40, 60, { refetchedFrom: 31 }))).toEqual(missed)
    expect(found(...history, read(1, 31, 60, { refetchedFrom: 29, call: 'getMany' }))).toEqual(missed)
  })

  it('may not come from a call of another process', () => {
    expect(found(...history, read(1, 25, 60, { node: 'other' }), read(1, 31, 60))).toEqual(missed)
  })

  it('may be anything of what a failed commit has left open', () => {
    const open = [commit(1, 0, 10), commit(2, 20, 30, { acknowledged: false })]
    expect(found(...open, read(1, 40, 41), read(2, 50, 51))).toEqual([])
  })

  it('names what it contradicts', () => {
    const [violation] = check(...history, read(1, 31, 60))
    expect(violation).toMatchObject({ key: 'k', operation: { start: 31 }, because: { version: 2 } })
  })
})

describe('a fresh read', () => {
  const missed = ['G3: a fresh read missed what was committed before it']

  it('sees what was acknowledged before it, whatever was under way', () => {
    const history = [commit(1, 0, 10), commit(2, 20, 30), read(1, 25, 60)]
    expect(found(...history, read(1, 31, 60, { fresh: true, refetchedFrom: 29 }))).toEqual(missed)
    expect(found(...history, read(2, 31, 60, { fresh: true }))).toEqual([])
  })
})

describe('a read after a sync', () => {
  const history = [commit(1, 0, 10), commit(2, 20, 30)]
  const missed = ['G3: a read after a sync missed what the sync must know']

  it('sees what was committed before the sync was called', () => {
    expect(found(...history, sync(31, 40), read(1, 41, 42, { tier: 'local' }))).toEqual(missed)
    expect(found(...history, sync(29, 40), read(1, 41, 42, { tier: 'local' }))).toEqual([])
    expect(found(...history, sync(31, 40), read(1, 39, 42, { tier: 'local' }))).toEqual([])
  })
})

describe('a process', () => {
  const ownMissed = ['G2: a read missed what its own process had written']
  const wentBack = ['G2: a read went back behind an earlier one of its process']

  it('reads what it has committed or set', () => {
    const own = { node: 'reader' }
    expect(found(commit(1, 0, 10), commit(2, 20, 30, own), read(1, 31, 32, { tier: 'local' }))).toEqual(
      ownMissed,
    )
    expect(found(set(1, 0, 10), set(2, 20, 30, own), read(1, 31, 32, { tier: 'local' }))).toEqual(ownMissed)
  })

  it('need not know at once of what it has written past its cache', () => {
    const past = commit(2, 20, 30, { node: 'reader', by: 'statement' })
    expect(found(commit(1, 0, 10), past, read(1, 31, 32, { tier: 'local' }))).toEqual([])
  })

  it('never reads an older version than before', () => {
    const history = [commit(1, 0, 10), commit(2, 20, 30)]
    expect(found(...history, read(2, 31, 32), read(1, 33, 34, { tier: 'local' }))).toEqual(wentBack)
    expect(found(...history, read(2, 31, 32), read(1, 31, 34, { tier: 'local' }))).toEqual([])
  })

  it('never reads again what it knows to be gone', () => {
    const local = { tier: 'local' } as const
    const history = [set(1, 0, 10), read(1, 11, 12), read(null, 13, 14)]
    expect(found(...history, read(1, 15, 16, local))).toEqual(wentBack)
    expect(found(...history, set(2, 15, 16), read(2, 17, 18, local))).toEqual([])
  })

  it('may miss for a moment, where the source is still there or a failure was reported', () => {
    expect(found(commit(1, 0, 10), read(1, 11, 12), read(null, 13, 14), read(1, 15, 16))).toEqual([])
    const doubtful = read(null, 13, 14, { doubtful: true })
    expect(found(set(1, 0, 10), read(1, 11, 12), doubtful, read(1, 15, 16))).toEqual([])
  })

  it('may miss before it knows of anything', () => {
    expect(found(set(1, 0, 10), read(null, 11, 12), read(1, 13, 14))).toEqual([])
  })
})

describe('a removal', () => {
  const missed = ['G4: the store served what a committed transaction had made wrong']

  it.each([['kk'], ['ttag'], ['pk'], ['p']])('of %s takes what was set before it', (target) => {
    expect(found(set(1, 0, 10), removal(20, 30, [target]), read(1, 31, 32))).toEqual(missed)
  })

  it.each([['kother'], ['tother'], ['pother']])('of %s takes nothing of this key', (target) => {
    expect(found(set(1, 0, 10), removal(20, 30, [target]), read(1, 31, 32))).toEqual([])
  })

  it('may come before a set that was under way', () => {
    expect(found(set(1, 0, 21), removal(20, 30), read(1, 31, 32))).toEqual([])
  })

  it('takes nothing that was set after it', () => {
    expect(found(set(1, 0, 10), removal(20, 30), set(2, 31, 40), read(2, 41, 42))).toEqual([])
  })

  it('says nothing about a value that has a source', () => {
    expect(found(commit(1, 0, 10), removal(20, 30), read(1, 31, 32))).toEqual([])
  })
})

describe('a value', () => {
  it('must have been committed', () => {
    const what = ['G5: a value was read that nobody has committed']
    expect(found(commit(1, 0, 10), read(2, 11, 12))).toEqual(what)
    const undone = read(1, 11, 12, { found: { version: 1, stamp: 'rolled back' } })
    expect(found(commit(1, 0, 10), undone)).toEqual(what)
  })

  it('must not show before its commit', () => {
    const what = ['G5: a value was read before its commit began']
    expect(found(commit(1, 20, 30), read(1, 11, 19))).toEqual(what)
    expect(found(commit(1, 20, 30), read(1, 11, 21))).toEqual([])
  })

  it('must not outlive its ttl', () => {
    const what = ['G6: a value was read past its expiry']
    const short = set(1, 0, 10, { ttlMs: 100 })
    expect(found(short, read(1, 110, 111, { tier: 'local' }))).toEqual([])
    expect(found(short, read(1, 111, 112, { tier: 'local' }))).toEqual(what)
    expect(found(short, read(1, 111, 112))).toEqual(what)
  })
})

describe('a write whose outcome is unknown', () => {
  const missed = ['G4: the store served what a committed transaction had made wrong']
  const open = { acknowledged: false }

  it.each([['commit'], ['set']])(
    'of a %s leaves both versions possible until somebody has read the newer',
    (op) => {
      const make = op === 'commit' ? commit : set
      const history = [make(1, 0, 10), make(2, 20, 30, open)]
      expect(found(...history, read(1, 40, 41), read(1, 60, 61, { node: 'other' }))).toEqual([])
      expect(found(...history, read(2, 40, 41), read(2, 60, 61, { node: 'other' }))).toEqual([])
      expect(found(...history, read(2, 40, 41), read(1, 42, 43, { node: 'other' }))).toEqual(missed)
      expect(found(...history, read(2, 40, 43), read(1, 42, 44, { node: 'other' }))).toEqual([])
    },
  )

  it('of a local hit is settled Δ after somebody has read it', () => {
    const history = [commit(1, 0, 10), commit(2, 20, 30, open), read(2, 40, 41)]
    const hit = (start: number): Read => read(1, start, start + 1, { node: 'other', tier: 'local' })
    expect(found(...history, hit(541))).toEqual([])
    expect(found(...history, hit(542))).toEqual(['G1: a local hit was older than maxStaleness'])
  })

  it('does not excuse what was overwritten before it', () => {
    const history = [commit(1, 0, 10), commit(2, 20, 30), commit(3, 40, 50, open)]
    expect(found(...history, read(1, 60, 61))).toEqual(missed)
  })

  it('has not happened where another has made the same version', () => {
    const other = commit(2, 40, 50, { stamp: 'another' })
    const history = [commit(1, 0, 10), commit(2, 20, 30, open), other]
    expect(found(...history, read(2, 60, 61))).toEqual(['G5: a value was read that nobody has committed'])
  })
})

describe('an outage', () => {
  const outage = (start: number, end: number, what: Outage['what'] = 'killed'): Outage => ({
    op: 'outage',
    node: 'faults',
    what,
    start,
    end,
  })
  const failure = (code: string | null, start: number): Failure => ({
    op: 'failure',
    node: 'writer',
    during: 'set',
    message: 'failed',
    code,
    start,
    end: start + 1,
  })
  const back = ['G7: a restart of the server brought back what was overwritten or removed']

  it('brings back nothing that was overwritten or removed before it', () => {
    expect(found(commit(1, 0, 10), commit(2, 20, 30), outage(40, 50), read(1, 60, 61))).toEqual(back)
    expect(found(set(1, 0, 10), removal(20, 30), outage(40, 50), read(1, 60, 61))).toEqual(back)
    expect(found(set(1, 0, 10), set(2, 20, 30), outage(40, 50), read(null, 60, 61))).toEqual([])
  })

  it('may bring back what was being overwritten', () => {
    expect(
      found(commit(1, 0, 10), commit(2, 39, 41, { acknowledged: false }), outage(40, 50), read(1, 60, 61)),
    ).toEqual([])
  })

  it('excuses calls that fail for want of a connection, and no others', () => {
    for (const code of ['unavailable', '57P01', 'ECONNREFUSED'])
      expect(found(outage(40, 50), failure(code, 45))).toEqual([])
    for (const code of ['40P01', 'wrong hit', null])
      expect(found(outage(40, 50), failure(code, 45))).toEqual(['G5: set failed'])
    expect(found(outage(40, 50), failure('unavailable', 30))).toEqual(['G5: set failed'])
    expect(found(outage(40, 50), failure('unavailable', 60_000))).toEqual(['G5: set failed'])
  })

  it('excuses misses, which then do not say that something was removed', () => {
    const history = [set(1, 0, 10), read(1, 11, 12), read(null, 45, 46)]
    expect(found(...history, outage(40, 50), read(1, 60, 61))).toEqual([])
    expect(found(...history, read(1, 60, 61))).toHaveLength(1)
  })
})

describe('in one snapshot', () => {
  const times = { node: 'reader', start: 0, end: 1 }
  const version = (n: number) => ({ version: n, stamp: `stamp ${n}` })

  it('a transactional get is what the source says', () => {
    const comparison = { op: 'comparison', key: 'k', ...times } as const
    expect(found({ ...comparison, cached: version(1), source: version(1) })).toEqual([])
    expect(found({ ...comparison, cached: version(1), source: version(2) })).toEqual([
      'G5: a transactional get and the source row disagree in one snapshot',
    ])
  })

  it('every valid entry is what the source says', () => {
    const mismatch = { key: 'k', cached: 1, source: 2, evidence: {} }
    const snapshot = { op: 'snapshot', compared: 3, ...times } as const
    expect(found({ ...snapshot, mismatches: [] })).toEqual([])
    expect(found({ ...snapshot, mismatches: [mismatch, mismatch] })).toEqual([
      'G4: a valid entry and its source row disagree in one snapshot',
      'G4: a valid entry and its source row disagree in one snapshot',
    ])
  })
})

it('a call that fails is a violation by itself', () => {
  const failure = {
    op: 'failure',
    node: 'n',
    start: 0,
    end: 1,
    message: 'deadlock detected',
    code: '40P01',
  } as const
  expect(found({ ...failure, during: "invalidate in a caller's transaction" })).toEqual([
    "G5: invalidate in a caller's transaction failed",
  ])
})
