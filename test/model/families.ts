// What is explored. Each family is a few kinds of events in all their orders, because all kinds together are too many.

import type { Step } from './abstract-store.ts'
import { clockFamilies } from './clock-families.ts'
import type { Family } from './family.ts'
import { PLAIN, SET } from './plain-family.ts'

const SET_TAGGED: Step = { do: 'set', key: 'a', tags: ['t'] }
const FILL: Step = { do: 'fill', key: 'a', tags: [] }
const REMOVE: Step = { do: 'remove', key: 'a' }
const INVALIDATE: Step = { do: 'invalidate', key: 'a' }
const TAG: Step = { do: 'invalidate-tag', tag: 't' }
const TAG_PREFIX: Step = { do: 'invalidate-prefix', prefix: 't', of: 'tags' }
const KEY_PREFIX: Step = { do: 'invalidate-prefix', prefix: 'a', of: 'keys' }

export const families: readonly Family[] = [
  {
    ...PLAIN,
    name: 'reads',
    bounds: { get: 2, 'get alone': 1, foreign: 2, renew: 1, reversed: 1, fail: 1 },
  },
  {
    ...PLAIN,
    name: 'removals',
    foreign: [SET, REMOVE],
    bounds: { get: 3, foreign: 2, renew: 2 },
  },
  {
    ...PLAIN,
    name: 'fresh reads',
    foreign: [SET, REMOVE],
    bounds: { get: 2, 'get fresh': 2, foreign: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'sync()',
    before: [],
    bounds: { get: 2, 'get or set': 1, foreign: 1, sync: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'own writes',
    before: [],
    bounds: { get: 2, set: 2, delete: 1, 'begin write': 1 },
  },
  {
    ...PLAIN,
    name: 'own and foreign writes',
    foreign: [SET, REMOVE],
    bounds: { get: 2, set: 1, foreign: 2, renew: 1, 'begin write': 1 },
  },
  {
    ...PLAIN,
    name: 'writes with an unknown end',
    bounds: { get: 2, set: 1, delete: 1, renew: 1, lose: 1, 'begin write': 1 },
  },
  {
    ...PLAIN,
    name: 'loads',
    foreign: [SET_TAGGED, TAG],
    tags: ['t'],
    before: [],
    bounds: { get: 1, 'get or set': 2, foreign: 1, renew: 1, skip: 1, lose: 1 },
  },
  {
    ...PLAIN,
    name: 'loads and long transactions',
    foreign: [SET, INVALIDATE],
    before: [],
    bounds: { 'get or set': 2, 'begin foreign': 1, foreign: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'loads here and elsewhere',
    foreign: [FILL, INVALIDATE],
    before: [],
    bounds: { get: 1, 'get or set': 1, 'begin foreign': 1, foreign: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'loads and own writes',
    before: [],
    bounds: { get: 1, 'get or set': 2, set: 1, delete: 1, fail: 1 },
  },
  {
    ...PLAIN,
    name: 'hints',
    bounds: { get: 2, foreign: 2, hint: 2, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'hints and own writes',
    bounds: { get: 2, set: 1, foreign: 1, hint: 2, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'news of own writes',
    before: [],
    foreign: [SET, REMOVE],
    bounds: { get: 1, set: 2, foreign: 1, hint: 1, renew: 2 },
  },
  {
    ...PLAIN,
    name: 'hints and loads',
    foreign: [SET_TAGGED, TAG],
    tags: ['t'],
    before: [],
    bounds: { get: 1, 'get or set': 1, foreign: 2, hint: 2 },
  },
  {
    ...PLAIN,
    name: 'hints and worlds',
    bounds: { get: 2, foreign: 2, 'new world': 1, hint: 1, renew: 2 },
  },
  {
    ...PLAIN,
    name: 'forged hints',
    bounds: { get: 1, 'get alone': 1, foreign: 1, forge: 2, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'tags and prefixes',
    foreign: [TAG, TAG_PREFIX, KEY_PREFIX],
    before: [],
    tags: ['t'],
    bounds: { get: 2, set: 1, foreign: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'own tags and prefixes',
    keys: ['a', 'b'],
    foreign: [SET_TAGGED],
    invalidations: [TAG, KEY_PREFIX],
    tags: ['t'],
    bounds: { get: 2, invalidate: 2, foreign: 1, lose: 1 },
  },
  {
    ...PLAIN,
    name: 'tags of several entries',
    keys: ['a', 'b', 'c'],
    foreign: [SET_TAGGED, { ...SET_TAGGED, key: 'b' }, { ...SET_TAGGED, key: 'c' }, TAG],
    tags: ['t'],
    before: [0, 1, 2].flatMap((i) => [
      ['foreign', i],
      ['get', i],
      ['see', 2 + i],
      ['answer', 2 + i],
    ]),
    bounds: { get: 1, foreign: 1, renew: 1, hint: 1 },
  },
  {
    ...PLAIN,
    name: 'worlds',
    bounds: { get: 3, 'new world': 1, foreign: 1, renew: 2, stray: 1 },
  },
  {
    ...PLAIN,
    name: 'writes and worlds',
    bounds: { get: 2, set: 1, 'new world': 1, renew: 2, 'begin write': 1 },
  },
  {
    ...PLAIN,
    name: 'gaps and recovery',
    bounds: { get: 2, foreign: 1, renew: 2, gap: 1, recovery: 1, 'no world': 1, wait: 1 },
  },
  {
    ...PLAIN,
    name: 'transactions',
    touches: [SET, INVALIDATE],
    bounds: { get: 3, touch: 1, 'roll back': 1, renew: 2 },
  },
  {
    ...PLAIN,
    name: 'two transactions',
    touches: [SET],
    bounds: { get: 2, touch: 2, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'transactions that insert',
    touches: [SET],
    before: [],
    bounds: { get: 3, 'get or set': 1, touch: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'transactions and loads',
    touches: [SET, TAG, KEY_PREFIX, TAG_PREFIX],
    tags: ['t'],
    foreign: [SET_TAGGED],
    bounds: { get: 2, 'get or set': 1, touch: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'transactions and recovery',
    touches: [SET_TAGGED, TAG],
    tags: ['t'],
    foreign: [SET_TAGGED],
    bounds: { get: 2, touch: 1, renew: 2, recovery: 1, 'no world': 1 },
  },
  {
    ...PLAIN,
    name: 'loads of what cannot be decoded',
    bounds: { 'get or set': 2, garble: 1, foreign: 1, renew: 1 },
  },
  {
    ...PLAIN,
    name: 'the end',
    bounds: { get: 2, set: 1, renew: 1, close: 1 },
  },
  {
    ...PLAIN,
    name: 'a local cache without room',
    local: 'no room',
    bounds: { get: 2, 'get or set': 1, foreign: 1, renew: 1, set: 1 },
  },
  {
    ...PLAIN,
    name: 'no local cache',
    local: 'none',
    before: [],
    bounds: { get: 1, 'get or set': 2, set: 1, foreign: 1, sync: 1 },
  },
  {
    ...PLAIN,
    name: 'no local cache, removals and tags',
    local: 'none',
    foreign: [SET_TAGGED],
    invalidations: [TAG],
    tags: ['t'],
    bounds: { get: 2, delete: 1, invalidate: 1, foreign: 1, hint: 1 },
  },
  {
    ...PLAIN,
    name: 'no local cache, transactions',
    local: 'none',
    touches: [SET, TAG],
    tags: ['t'],
    foreign: [SET_TAGGED],
    bounds: { get: 3, touch: 1, foreign: 1, renew: 1 },
  },
  ...clockFamilies,
]
