// Typed namespaces with the libraries that people have: a shape that changed between two releases, whatever it is written in.

import { type } from 'arktype'
import * as v from 'valibot'
import { afterAll, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { PostgresCache, type TypedCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))
beforeEach(() => cache.clear())

interface User {
  name: string
  age: number
}

// Written down with the type that each library infers: they have to agree with ours.
const families: Record<string, (owner: PostgresCache) => TypedCache<User>> = {
  zod: (owner) => owner.namespace('users', { schema: z.object({ name: z.string(), age: z.number() }) }),
  valibot: (owner) => owner.namespace('users', { schema: v.object({ name: v.string(), age: v.number() }) }),
  arktype: (owner) => owner.namespace('users', { schema: type({ name: 'string', age: 'number' }) }),
}

describe.each(Object.entries(families))('a namespace with a schema of %s', (_, users) => {
  it('hands out what fits, to other processes too', async () => {
    await users(cache).set('1', { name: 'Ava', age: 40 })
    expect(await users(other).get('1')).toEqual({ name: 'Ava', age: 40 })
    expect(await users(other).getMany(['1', '2'])).toEqual([{ name: 'Ava', age: 40 }, undefined])
  })

  it('misses what another release has stored and does not fit, with an event that says why', async () => {
    await other.set('users:1', { name: 'Ava' })
    const messages: string[] = []
    const off = cache.on('error', ({ error, operation }) => messages.push(`${operation}: ${error.message}`))
    expect(await users(cache).get('1')).toBeUndefined()
    off()
    expect(messages).toEqual([
      expect.stringMatching(/^validate: .*key "users:1" does not fit .*(?:age|number)/),
    ])
    expect(await users(cache).has('1')).toBe(false)
    expect(await collect(users(cache).entries())).toEqual([])
    await held(cache, 'users:1')
    expect(users(cache).peek('1')).toBeUndefined()
  })

  it('loads again what does not fit, and leaves what fits to all', async () => {
    await other.set('users:1', { name: 'Ava' })
    expect(await users(cache).getOrSet('1', () => ({ name: 'Ava', age: 40 }))).toEqual({
      name: 'Ava',
      age: 40,
    })
    const unwanted = (): never => {
      throw new Error('unwanted')
    }
    expect(await users(other).getOrSet('1', unwanted)).toEqual({ name: 'Ava', age: 40 })
  })
})

describe('what a schema makes of the stored value', () => {
  const stored = { since: '2026-01-01T00:00:00.000Z' }
  const since = new Date(stored.since)

  it.each<[string, TypedCache<{ since: Date }>]>([
    ['zod', cache.namespace('dates', { schema: z.object({ since: z.coerce.date() }) })],
    [
      'valibot',
      cache.namespace('dates', {
        schema: v.object({
          since: v.pipe(
            v.string(),
            v.transform((text) => new Date(text)),
          ),
        }),
      }),
    ],
    ['arktype', cache.namespace('dates', { schema: type({ since: 'string.date.parse' }) })],
  ])('is what is handed out: %s', async (_, dates) => {
    await other.set('dates:1', stored)
    expect(await dates.get('1')).toEqual({ since })
    expect((await dates.getEntry('1'))?.value).toEqual({ since })
    expectTypeOf(dates.get('1')).resolves.toEqualTypeOf<{ since: Date } | undefined>()
  })

  it('is refused where it takes a promise', async () => {
    const slow = z.object({ since: z.string() }).refine(async () => true)
    await other.set('slow:1', stored)
    await expect(cache.namespace('slow', { schema: slow }).get('1')).rejects.toMatchObject({
      code: 'invalid-option',
      option: 'schema',
    })
  })
})
