// Names that try to be more than names: each comes back as it was, or is refused before the database sees it. Nothing is
// executed, and the cache beside keeps what is its own.

import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type CacheErrorCode, PostgresCache } from '../../src/index.ts'
import { quoteIdentifier } from '../../src/core/identifier.ts'
import { removeSchema } from '../../src/schema.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { runAs } from '../run-as.ts'

const KEY_RUNS = 60
const SCHEMA_RUNS = 8
const WATCH_RUNS = 30
const PATIENCE_MS = 120_000

// As the owner, who is no superuser.
const database = await createDatabase({ isInstalled: false })
const connectionString = database.ownerUrl
const options = { connectionString, queryTimeout: '20s' } as const
await database.query('create table canary (id integer)')
await database.query('insert into canary values (1)')

const cache = new PostgresCache({ ...options, local: false })
const beside = new PostgresCache({ ...options, local: false, schema: 'beside', notifications: 'poll' })
afterAll(() => Promise.all([cache.close(), beside.close()]))
await beside.set('own', 'of beside', { tags: ['own'] })

const FRAGMENTS = [
  "'",
  '"',
  '\\',
  '$$',
  '$body$',
  '$1',
  '$&',
  ';',
  '--',
  '/*',
  '%',
  '_',
  '%I',
  '{',
  '}',
  '{{entries}}',
  '{{literal:schema}}',
  ', ',
  '{"a"}',
  'NULL',
  '\n',
  '\0',
  '\ud83d',
  '🙂',
  'É',
  'a',
  '.',
  ':',
  '__proto__',
  "'; drop table public.canary; --",
  '"; drop table public.canary; --',
  '$$; drop table public.canary; --',
]
const hostile = (maxParts: number): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ unit: 'binary', maxLength: 3 })), {
      maxLength: maxParts,
    })
    .map((parts) => parts.join(''))

const isText = (text: string, maxBytes: number): boolean =>
  text !== '' && text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= maxBytes

const isAllowed = (schema: string, prefix: string, channel: string): boolean =>
  isText(schema, 63) && (prefix === '' || isText(prefix, 23)) && isText(channel, 63)

async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return error
  }
}

async function expectRefusal(code: CacheErrorCode, call: () => Promise<unknown>): Promise<void> {
  const failure = await failureOf(call)
  expect(failure).toMatchObject({ name: 'CacheError', code })
}

async function expectAllElseUntouched(): Promise<void> {
  expect(await database.query('select id from public.canary')).toEqual([{ id: 1 }])
  expect(await collect(beside.keys())).toEqual(['own'])
  expect(await beside.get('own', { fresh: true })).toBe('of beside')
}

describe('hostile names', () => {
  it(
    `of keys, prefixes and tags: ${KEY_RUNS} runs`,
    async () => {
      let stored = 0
      let refused = 0
      const run = async (names: string[], tag: string, prefix: string): Promise<void> => {
        await cache.clear()
        const keys = names.filter((name) => isText(name, 1024))
        for (const name of names)
          if (!keys.includes(name)) await expectRefusal('invalid-key', () => cache.set(name, 1))
        refused += names.length - keys.length
        stored += keys.length
        const tags = isText(tag, 1024) ? [tag] : []
        if (tags.length === 0) await expectRefusal('invalid-tag', () => cache.set('k', 1, { tags: [tag] }))
        await cache.setMany(
          keys.map((key, i) => ({ key, value: { [key]: key }, tags: i % 2 === 0 ? tags : [] })),
        )

        expect(await cache.getMany(keys)).toEqual(keys.map((key) => ({ [key]: key })))
        expect((await cache.getEntry(keys[0] ?? 'none'))?.tags ?? tags).toEqual(tags)
        const listed = await collect(cache.keys(isText(prefix, 1024) ? { prefix } : {}))
        const begin = isText(prefix, 1024) ? prefix : ''
        expect(listed.toSorted()).toEqual(keys.filter((key) => key.startsWith(begin)).toSorted())

        if (tags.length > 0) await cache.invalidateTags(tags)
        const untagged = keys.filter((_, i) => i % 2 === 1 || tags.length === 0)
        expect((await collect(cache.keys())).toSorted()).toEqual(untagged.toSorted())
        if (isText(prefix, 1024)) await cache.deleteByPrefix(prefix)
        else await expectRefusal('invalid-key', () => cache.deleteByPrefix(prefix))
        const left = untagged.filter((key) => begin === '' || !key.startsWith(begin))
        expect((await collect(cache.keys())).toSorted()).toEqual(left.toSorted())
      }
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(hostile(6), { minLength: 1, maxLength: 6 }),
          hostile(6),
          hostile(2),
          run,
        ),
        { numRuns: KEY_RUNS },
      )
      await expectAllElseUntouched()
      console.log(`${KEY_RUNS} runs: ${stored} keys came back, ${refused} were refused`)
      expect(Math.min(stored, refused)).toBeGreaterThan(0)
    },
    PATIENCE_MS,
  )

  it(
    `of schemas, prefixes and channels: ${SCHEMA_RUNS} installations`,
    async () => {
      let installed = 0
      let refused = 0
      const run = async (schema: string, schemaPrefix: string, notifyChannel: string): Promise<void> => {
        const named = { ...options, schema, schemaPrefix, notifyChannel }
        if (!isAllowed(schema, schemaPrefix, notifyChannel)) {
          refused++
          await expectRefusal('invalid-option', async () => new PostgresCache(named).close())
          return
        }
        installed++
        await using one = new PostgresCache(named)
        await one.set('own', schema, { tags: ['own'] })
        expect(await one.get('own', { fresh: true })).toBe(schema)
        expect(await one.getOrSet('loaded', () => schemaPrefix)).toBe(schemaPrefix)
        await one.invalidateTags('own')
        expect(await one.get('own', { fresh: true })).toBeUndefined()
        await one.clear()
        await expectAllElseUntouched()
        await one.close()
        await removeSchema(named)
      }
      // Most names that are made up at random are refused: half of the runs have parts that are allowed.
      const allowed = (maxBytes: number): fc.Arbitrary<string> =>
        hostile(3).filter((name) => isText(name, maxBytes) && !name.startsWith('pg_'))
      const examples: [string, string, string][] = [["'", '\n', ';']]
      await fc.assert(fc.asyncProperty(allowed(63), allowed(23), allowed(63), run), {
        numRuns: SCHEMA_RUNS,
        examples,
      })
      await fc.assert(
        fc.asyncProperty(hostile(40), hostile(20), hostile(40), async (...names) => {
          if (!isAllowed(...names)) await run(...names)
        }),
        { numRuns: KEY_RUNS },
      )
      console.log(`${installed} installations, ${refused} refused`)
      expect(installed).toBe(SCHEMA_RUNS)
      expect(refused).toBeGreaterThan(0)
    },
    PATIENCE_MS,
  )

  it(
    `of watched tables and columns: ${WATCH_RUNS} runs`,
    async () => {
      let watched = 0
      let refused = 0
      const run = async (table: string, column: string, value: string): Promise<void> => {
        // As text of SQL: no such table, or none at all.
        await expect(cache.watch(table, { tags: ['row'] })).rejects.toMatchObject({ name: 'CacheError' })
        const quoted = quoteIdentifier(table)
        await runAs(connectionString, `create table ${quoted} (${quoteIdentifier(column)} text)`)
        try {
          await watchColumn(quoted, column, value)
        } finally {
          // What is left behind would be there for the next run.
          await runAs(connectionString, `drop table ${quoted}`)
        }
      }
      const watchColumn = async (quoted: string, column: string, value: string): Promise<void> => {
        const failure = await failureOf(() => cache.watch(quoted, { tags: [`row:{${column}}`] }))
        if (failure !== undefined) {
          refused++
          expect(failure).toMatchObject({ name: 'CacheError', code: 'invalid-option' })
          expect(column).toMatch(/[{}]/)
          return
        }
        watched++
        // Two braces are one as text: 'row:{{a}}' names no column.
        const tag = /[{}]/.test(column) ? `row:${`{${column}}`.replace(/([{}])\1/g, '$1')}` : `row:${value}`
        await cache.setMany([
          { key: 'hit', value: 1, tags: [tag] },
          { key: 'beside', value: 1, tags: [`${tag}!`] },
        ])
        await database.query(`insert into ${quoted} values ($1)`, [value])
        expect(await cache.getMany(['hit', 'beside'], { fresh: true })).toEqual([undefined, 1])
      }
      const name = hostile(3).filter((text) => isText(text, 63) && text !== 'canary')
      await fc.assert(
        fc.asyncProperty(
          name,
          name,
          hostile(4).filter((text) => isText(text, 900)),
          run,
        ),
        {
          numRuns: WATCH_RUNS,
          examples: [['\\', '{a}', 'b']],
        },
      )
      await expectAllElseUntouched()
      console.log(`${WATCH_RUNS} runs: ${watched} watched, ${refused} refused`)
    },
    PATIENCE_MS,
  )
})
