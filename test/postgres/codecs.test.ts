// Codecs on their way through table and local cache, and caches with different codecs on one table: what one cannot read is a miss and an event.

import pg from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { type CacheOptions, compressed, encrypted, PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { atEndOfFile } from '../end-of-file.ts'
import { held } from '../held.ts'

const { url: connectionString, query, install } = await createDatabase()
const [old, young] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
const open = (options: CacheOptions): PostgresCache => {
  const cache = new PostgresCache({ connectionString, ...options })
  atEndOfFile(() => cache.close())
  return cache
}
const plain = open({})
const packed = open({ codec: compressed() })
const secret = open({ codec: encrypted({ keys: { old }, current: 'old' }) })
const both = open({ codec: encrypted({ keys: { old }, current: 'old', codec: compressed() }) })
beforeEach(() => plain.clear())

const LONG = { text: 'a secret, '.repeat(1_000) }

/** What the table holds, as text. */
async function storedText(key: string): Promise<string> {
  const [row] = await query<{ stored: string }>(
    `select coalesce(value, '') || coalesce(encode(bytes, 'escape'), '') as stored from postgres_cache.entries where key = $1`,
    [key],
  )
  return row?.stored ?? ''
}

/** What every way of reading finds, and the events of it. */
async function readings(cache: PostgresCache, key: string): Promise<{ found: unknown[]; errors: number }> {
  let errors = 0
  const off = cache.on('error', ({ operation, error }) => {
    if (operation === 'decode' && error.code === 'invalid-value' && error.key === key) errors++
  })
  const tx = new pg.Client(connectionString)
  await tx.connect()
  await tx.query('begin')
  const found = [
    await cache.get(key, { fresh: true }),
    (await cache.getMany([key]))[0],
    (await cache.getEntry(key))?.value,
    (await collect(cache.entries()))[0]?.value,
    await (await cache.withTransaction(tx)).get(key),
  ]
  await tx.query('commit')
  await tx.end()
  off()
  return { found, errors }
}

const fiveTimes = (value: unknown): unknown[] => Array.from({ length: 5 }, () => value)

describe.each([
  ['compressed', packed],
  ['encrypted', secret],
  ['compressed and encrypted', both],
])('%s', (_, cache) => {
  it.each([
    ['a tree', LONG],
    ['null', null],
    ['bytes', Buffer.alloc(5_000, 'a secret ')],
  ])('gives back %s from table, local cache and transaction', async (_name, value) => {
    await cache.set('coded', value)
    expect(await readings(cache, 'coded')).toEqual({ found: fiveTimes(value), errors: 0 })
    expect(await held(cache, 'coded')).toEqual(value)
    expect(cache.peek('coded')).toEqual(value)
    expect(await storedText('coded')).not.toContain('a secret, a secret')
    expect(await cache.take('coded')).toEqual(value)
  })

  it('is kept by notModified() as it is, and handed over as previous', async () => {
    await cache.getOrSet('page', () => LONG)
    const before = await storedText('page')
    await cache.getOrSet<typeof LONG>('page', ({ notModified }) => notModified(), { force: true })
    expect(await storedText('page')).toBe(before)
    expect(await cache.get('page', { fresh: true })).toEqual(LONG)
  })
})

describe('a row of another codec', () => {
  it('in JSON or bytes is read by a cache that compresses', async () => {
    await plain.set('json', LONG)
    expect((await readings(packed, 'json')).found).toEqual(fiveTimes(LONG))
    await plain.set('json', Buffer.from('hi'))
    expect(await packed.get('json', { fresh: true })).toEqual(Buffer.from('hi'))
  })

  it.each([
    ['compressed, for one that has no codec', packed, plain],
    ['encrypted, for one that has no codec', secret, plain],
    ['encrypted, for one that compresses', secret, packed],
    ['compressed, for one that encrypts', packed, both],
    ['encrypted, for one that compresses first', secret, both],
    ['not encrypted, for one that encrypts', plain, secret],
  ])('is a miss with an event, and loaded again: %s', async (_, writer, reader) => {
    await writer.set('changed', LONG)
    expect(await readings(reader, 'changed')).toEqual({ found: fiveTimes(undefined), errors: 5 })
    expect(await reader.getOrSet('changed', () => 'loaded again')).toBe('loaded again')
    expect(await reader.get('changed', { fresh: true })).toBe('loaded again')
  })

  it('is removed by take, and handed out by none', async () => {
    await secret.set('taken', LONG)
    expect(await plain.take('taken')).toBeUndefined()
    expect(await secret.get('taken', { fresh: true })).toBeUndefined()
  })
})

describe('keys', () => {
  it('are rotated without a miss: known everywhere, then current, then forgotten', async () => {
    const knows = open({ codec: encrypted({ keys: { old, young }, current: 'old' }) })
    const uses = open({ codec: encrypted({ keys: { old, young }, current: 'young' }) })
    const forgets = open({ codec: encrypted({ keys: { young }, current: 'young' }) })
    await secret.set('first', 1)
    expect(await uses.get('first')).toBe(1)
    await uses.set('second', 2)
    expect(await knows.get('second')).toBe(2)
    expect(await forgets.get('second')).toBe(2)
    expect(await forgets.get('first')).toBeUndefined()
    expect(await secret.get('second')).toBeUndefined()
  })

  it('a row that is copied to another key or schema is a miss there', async () => {
    await secret.set('user:1', { admin: true })
    await secret.set('user:2', { admin: false })
    await query(
      `update postgres_cache.entries set bytes = (select bytes from postgres_cache.entries where key = 'user:1') where key = 'user:2'`,
    )
    expect(await secret.get('user:2', { fresh: true })).toBeUndefined()
    await install({ schema: 'tenant' })
    const tenant = open({ schema: 'tenant', codec: encrypted({ keys: { old }, current: 'old' }) })
    await tenant.set('user:1', 'own')
    expect(await tenant.get('user:1', { fresh: true })).toBe('own')
    await query(
      `update tenant.entries set bytes = (select bytes from postgres_cache.entries where key = 'user:1') where key = 'user:1'`,
    )
    expect(await tenant.get('user:1', { fresh: true })).toBeUndefined()
  })
})

describe('JSON that names __proto__ and constructor', () => {
  const hostile =
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"list":[{"__proto__":{"polluted":1}}]}'

  it.each(['clone', 'freeze', 'share'] as const)('pollutes nothing, with values: %s', async (values) => {
    const cache = open({ local: { values } })
    await query('select postgres_cache.set($1, $2::json)', ['hostile', hostile])
    for (const value of [await cache.get('hostile', { fresh: true }), await held(cache, 'hostile')]) {
      expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor', 'list'])
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(JSON.stringify(value)).toBe(hostile)
    }
    expect({}).not.toHaveProperty('polluted')
    await cache.set('again', JSON.parse(hostile))
    expect(JSON.stringify(await cache.get('again', { fresh: true }))).toBe(hostile)
  })

  it('nor do keys, tags and namespaces of such names', async () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const users = plain.namespace(name, { tags: [name] })
      await users.setMany([[name, { name }]])
      expect(await users.getMany([name, 'other'])).toEqual([{ name }, undefined])
      const loaded = await users.getOrSetMany(['more', name], () => new Map([['more', 1]]))
      expect(loaded).toEqual([1, { name }])
      await plain.invalidateTags(name)
      expect(await users.get(name, { fresh: true })).toBeUndefined()
    }
    expect({}).not.toHaveProperty('polluted')
  })
})
