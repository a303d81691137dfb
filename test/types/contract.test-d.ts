// Compiled by `tsc`, never run: what the public types promise. Each @ts-expect-error is a mistake that must not compile.

import type pg from 'pg'
import { expectTypeOf } from 'vitest'
import type { Cache } from '../../src/contract.ts'
import type { Duration } from '../../src/core/duration.ts'
import type { Entry } from '../../src/core/entry.ts'
import { type CacheError, type CacheErrorCode, isCacheError } from '../../src/core/errors.ts'
import type { LoadContext } from '../../src/loader.ts'
import { NullCache } from '../../src/null-cache.ts'
import type { StandardSchema } from '../../src/shape.ts'
import type { CacheOptions, PoolLike, SetOptions } from '../../src/options.ts'
import type { TypedTransaction } from '../../src/transaction-cache.ts'

interface User {
  name: string
}

declare const cache: Cache
declare const pool: pg.Pool
declare function make(...options: ConstructorParameters<typeof NullCache>): void
declare const user: User
declare const maybeText: string | undefined

// Reads claim a type, and always admit a miss.
expectTypeOf(cache.get<User>('k')).resolves.toEqualTypeOf<User | undefined>()
expectTypeOf(cache.get('k')).resolves.toEqualTypeOf<unknown>()
expectTypeOf(cache.getMany<User>(['k'])).resolves.toEqualTypeOf<(User | undefined)[]>()
expectTypeOf(cache.getEntry<User>('k')).resolves.toEqualTypeOf<Entry<User> | undefined>()
expectTypeOf(cache.peek<User>('k')).toEqualTypeOf<User | undefined>()
expectTypeOf(cache.entries<User>({ prefix: 'u:' })).toEqualTypeOf<AsyncIterable<Entry<User>>>()
expectTypeOf(cache.has('k')).resolves.toBeBoolean()
expectTypeOf(cache.deleteMany(['k'])).resolves.toEqualTypeOf<boolean[]>()

// getOrSet takes its type from the loader, whether or not the loader looks at its context.
expectTypeOf(cache.getOrSet('k', async () => user)).resolves.toEqualTypeOf<User>()
expectTypeOf(cache.getOrSet('k', () => user)).resolves.toEqualTypeOf<User>()
expectTypeOf(
  cache.getOrSet('k', async () => (maybeText === '' ? null : user)),
).resolves.toEqualTypeOf<User | null>()
expectTypeOf(
  cache.getOrSet('k', async ({ key, signal, previous }) => {
    expectTypeOf(key).toBeString()
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    expectTypeOf(previous).toBeUnknown()
    return user
  }),
).resolves.toEqualTypeOf<User>()
expectTypeOf(cache.getOrSet('k', async ({ skip }) => skip(user))).resolves.toEqualTypeOf<User>()
expectTypeOf(cache.getOrSet('k', (context) => context.skip(5))).resolves.toBeNumber()

// Named explicitly, the previous value has the type too.
void cache.getOrSet<User>('k', ({ previous }) => {
  expectTypeOf(previous).toEqualTypeOf<User | undefined>()
  return previous ?? user
})
// @ts-expect-error the loader returns something else
void cache.getOrSet<User>('k', () => 5)
// @ts-expect-error a value is no loader
void cache.getOrSet('k', user)

void cache.getOrSet('k', ({ set }) => {
  set({ ttl: '1m', tags: ['users'] })
  // @ts-expect-error the deadline of a load cannot change while it runs
  set({ loadTimeout: '1m' })
  return user
})

// getOrSetMany takes its type from what the loader returns: a Map may leave keys out.
expectTypeOf(cache.getOrSetMany(['k'], async () => [user])).resolves.toEqualTypeOf<User[]>()
expectTypeOf(cache.getOrSetMany(['k'], () => new Map([['k', user]]))).resolves.toEqualTypeOf<
  (User | undefined)[]
>()
// @ts-expect-error neither an array nor a Map
void cache.getOrSetMany(['k'], () => user)

// A wrapped function keeps its type.
declare function loadUser(id: number, locale?: string): Promise<User>
const userById = cache.wrap(loadUser, { key: (id, locale) => `user:${id.toFixed(0)}:${locale ?? ''}` })
expectTypeOf(userById).toExtend<typeof loadUser>()
expectTypeOf(userById.invalidate).parameters.toEqualTypeOf<Parameters<typeof loadUser>>()
expectTypeOf(userById.refresh).toEqualTypeOf<typeof loadUser>()
// @ts-expect-error a key is needed
cache.wrap(loadUser, {})
// @ts-expect-error only what is asynchronous keeps its type
cache.wrap(() => user, { key: () => 'k' })
// @ts-expect-error one call of it is forced by refresh()
cache.wrap(loadUser, { key: () => 'k', force: true })

// Atomic writes.
expectTypeOf(cache.add('k', user)).resolves.toBeBoolean()
expectTypeOf(cache.take<User>('k')).resolves.toEqualTypeOf<User | undefined>()
expectTypeOf(cache.increment('k', { by: -1, ttl: '1m' })).resolves.toBeNumber()
expectTypeOf(cache.compareAndSet('k', '5', user)).resolves.toBeBoolean()
// @ts-expect-error versions are opaque strings
void cache.compareAndSet('k', 5, user)

// A namespace with a schema has values of its type.
declare const schema: StandardSchema<User>
const typed = cache.namespace('users', { schema, ttl: '5m' })
expectTypeOf(typed.get('1')).resolves.toEqualTypeOf<User | undefined>()
expectTypeOf(typed.getOrSet('1', () => user)).resolves.toEqualTypeOf<User>()
const found = (): Promise<User | undefined> => Promise.resolve(undefined)
expectTypeOf(typed.getOrSet('1', found)).resolves.toEqualTypeOf<User | undefined>()
expectTypeOf(
  cache.namespace('users', { ttl: '5m', revalidate: 'background', grace: '1h' }),
).toEqualTypeOf<Cache>()
// @ts-expect-error another type
void typed.set('1', 5)
// @ts-expect-error another type
void typed.getOrSet('1', () => 5)
void typed.setMany([['1', user], { key: '2', value: user, ttl: '1m' }])
// @ts-expect-error another type
void typed.setMany([['1', 5]])
const typedUser = typed.wrap(async (id: number) => (id > 0 ? user : undefined), { key: (id) => `${id}` })
expectTypeOf(typedUser(1)).resolves.toEqualTypeOf<User | undefined>()
// @ts-expect-error another type
void typed.wrap(async (id: number) => id, { key: (id) => `${id}` })
declare const typedTransaction: Awaited<ReturnType<typeof typed.withTransaction>>
expectTypeOf(typedTransaction).toEqualTypeOf<TypedTransaction<User>>()
expectTypeOf(typedTransaction.get('1')).resolves.toEqualTypeOf<User | undefined>()
void typedTransaction.set('1', user, { ttl: '1m' })
// @ts-expect-error another type
void typedTransaction.set('1', 5)

// What it takes.
void cache.set('k', user, { ttl: '5m', grace: '1h', tags: ['users'], signal: AbortSignal.timeout(5) })
void cache.set('k', null, { ttl: null })
void cache.setMany([['k', 1], { key: 'l', value: user, ttl: '1m', tags: ['users'] }], { ttl: 5_000 })
void cache.setMany(new Map([['k', user]]))
void cache.invalidate('k')
void cache.invalidate(['k', 'l'])
void cache.touch('k', null)
void cache.touch('k', '1h')

// @ts-expect-error keys are strings
void cache.get(5)
// @ts-expect-error no such option
void cache.get('k', { ttl: '5m' })
// @ts-expect-error a boolean
void cache.get('k', { fresh: 'yes' })
// @ts-expect-error no unit
void cache.set('k', 1, { ttl: '5' })
// @ts-expect-error no such unit
void cache.set('k', 1, { ttl: '5 minutes' })
// @ts-expect-error a string is no list of tags
void cache.set('k', 1, { tags: 'users' })
// @ts-expect-error misspelt
void cache.set('k', 1, { tll: '5m' })
// @ts-expect-error a deadline of loads
void cache.set('k', 1, { loadTimeout: '5m' })
// @ts-expect-error misspelt in an entry
void cache.setMany([{ key: 'k', value: 1, tll: '5m' }])
// @ts-expect-error an entry needs a value
void cache.setMany([{ key: 'k' }])
// @ts-expect-error a new ttl is required
void cache.touch('k')
// @ts-expect-error no such filter
void cache.keys({ pattern: 'u:*' })

// What can have no effect together.
const load = (): User => user
void cache.getOrSet('k', load, { revalidate: 'background', grace: '1h', timeout: '1s' })
void cache.getOrSet('k', load, { softTimeout: '1s', timeout: '2s', grace: '1h' })
void cache.getOrSet('k', load, { local: maybeText === '', localTtl: undefined })
void cache.getOrSet('k', load, { local: true, localTtl: '5s' })
// @ts-expect-error what is served at once never waits
void cache.getOrSet('k', load, { revalidate: 'background', softTimeout: '1s', grace: '1h' })
// @ts-expect-error nothing can be stale without a grace
void cache.getOrSet('k', load, { revalidate: 'background', grace: null })
// @ts-expect-error what does not enter the local cache does not stay there
void cache.getOrSetMany(['k'], () => [user], { local: false, localTtl: '5s' })
// @ts-expect-error the same for a wrapped function
cache.wrap(loadUser, { key: (id) => `user:${id}`, revalidate: 'background', softTimeout: '1s' })
// @ts-expect-error the same for a namespace
cache.namespace('users', { revalidate: 'background', grace: null })

// Durations.
expectTypeOf<'300ms' | '30s' | '5m' | '2h' | '7d' | '1w' | '1.5h' | 5_000>().toExtend<Duration>()
expectTypeOf<'5'>().not.toExtend<Duration>()
expectTypeOf<'m'>().not.toExtend<Duration>()
expectTypeOf<'5y'>().not.toExtend<Duration>()
expectTypeOf<null>().not.toExtend<Duration>()

// Options of the constructor. A setting that may be undefined compiles: process.env.DATABASE_URL.
make()
make({ connectionString: maybeText, notifyChannel: 'events', schemaPrefix: 'marketing_' })
make({ pool, local: false, ttl: null, notifications: false })
make({ pool: { max: 10 }, local: { values: 'freeze', maxEntries: 10 }, store: { maxBytes: 1 } })

// @ts-expect-error misspelt
make({ tll: '5m' })
// @ts-expect-error misspelt
make({ pool: { maxx: 4 } })
// @ts-expect-error no pool
make({ pool: {} as { query: () => void } })
// @ts-expect-error misspelt
make({ local: { maxentries: 4 } })
// @ts-expect-error it is on unless false
make({ local: true })
// @ts-expect-error no such mode
make({ local: { values: 'copy' } })
// @ts-expect-error no such mode
make({ notifications: 'off' })
// @ts-expect-error no such mode
make({ durability: 'none' })
// @ts-expect-error no unit
make({ ttl: '5' })
// @ts-expect-error never null
make({ maxStaleness: null })
// @ts-expect-error no codec
make({ codec: JSON })
// @ts-expect-error options are named
make('postgres://localhost/app')

// A real pg.Pool is the pool that is asked for.
expectTypeOf<pg.Pool>().toExtend<PoolLike>()
expectTypeOf<PoolLike>().toHaveProperty('options')

// Options can be written down, and are not changed by us.
const options: CacheOptions = { ttl: '5m' }
// @ts-expect-error read-only
options.ttl = '1m'
const setOptions: SetOptions = { tags: ['users'] as const }
// @ts-expect-error read-only
setOptions.tags?.push('admins')

// Events.
cache.on('hit', (payload) => expectTypeOf(payload.tier).toEqualTypeOf<'local' | 'store' | 'stale'>())
cache.on('error', ({ error, operation }) => {
  expectTypeOf(error).toEqualTypeOf<CacheError>()
  expectTypeOf(operation).toBeString()
})
expectTypeOf(cache.on('missed', () => {})).toEqualTypeOf<() => void>()
// @ts-expect-error no such event
cache.on('hits', () => {})
// @ts-expect-error another event's payload
cache.on('missed', ({ tier }) => tier)

// Errors: a code narrows, and the set of codes is closed.
declare const thrown: unknown
if (isCacheError(thrown, 'timeout')) expectTypeOf(thrown.code).toEqualTypeOf<'timeout'>()
if (isCacheError(thrown)) expectTypeOf(thrown.code).toEqualTypeOf<CacheErrorCode>()
// @ts-expect-error no such code
isCacheError(thrown, 'time-out')

// Disposal: closes at the end of the block.
async function disposes(): Promise<void> {
  await using own = new NullCache()
  expectTypeOf(own).toExtend<Cache>()
}
void disposes

expectTypeOf<LoadContext<User>['previous']>().toEqualTypeOf<User | undefined>()
