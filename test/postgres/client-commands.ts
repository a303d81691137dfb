// What two clients may do to a cache, as commands of fast-check that check every answer against the map.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import type { Client, ReferenceMap } from './reference-map.ts'

export type Caches = readonly [PostgresCache, PostgresCache]
type Key = (typeof KEYS)[number]

const KEYS = ['a', 'b', 'user:1', 'user:2', "it's", '%_\\', '🙂'] as const
const PREFIXES = ['user:', 'u', "it'", '%', '🙂'] as const
const TAGS = [undefined, 'even', 'odd'] as const

/** What a command works with. */
interface Scene {
  readonly map: ReferenceMap
  readonly caches: Caches
  readonly client: Client
  readonly cache: PostgresCache
}

class Command implements fc.AsyncCommand<ReferenceMap, Caches> {
  readonly #text: string
  readonly #client: Client
  readonly #run: (scene: Scene) => Promise<void>

  constructor(text: string, client: Client, run: (scene: Scene) => Promise<void>) {
    this.#text = `${client}.${text}`
    this.#client = client
    this.#run = run
  }

  check(): boolean {
    return true
  }

  async run(map: ReferenceMap, caches: Caches): Promise<void> {
    await this.#run({ map, caches, client: this.#client, cache: caches[this.#client] })
  }

  toString(): string {
    return this.#text
  }
}

function command<Given extends unknown[]>(
  name: string,
  run: (scene: Scene, ...given: Given) => Promise<void>,
  ...given: { [I in keyof Given]: fc.Arbitrary<Given[I]> }
): fc.Arbitrary<Command> {
  return fc.tuple(fc.constantFrom<Client>(0, 1), fc.tuple<Given>(...given)).map(([client, values]) => {
    const text = `${name}(${values.map((value) => JSON.stringify(value)).join(', ')})`
    return new Command(text, client, (scene) => run(scene, ...values))
  })
}

const key = fc.constantFrom<Key>(...KEYS)
const keys = fc.array(key, { maxLength: 5 })
const tag = fc.constantFrom(...TAGS)
const fresh = fc.boolean()

let lastValue = 0

/** What was read must be what the map holds, or, by who need not know it yet, what it has held. */
function checkRead({ map, client }: Scene, read: Key, isFresh: boolean, value: unknown): void {
  if (isFresh) map.isUpToDate(client, read)
  const allowed: readonly unknown[] = map.mayRead(client, read)
  assert.ok(allowed.includes(value), `${read}: ${String(value)} is none of ${allowed.join(', ')}`)
  map.hasRead(client, read, value as number | undefined)
}

const setOptions = (given: string | undefined): { tags: string[] } => ({
  tags: given === undefined ? [] : [given],
})

/** Every call, with keys, prefixes and tags that collide. */
export const COMMANDS: readonly fc.Arbitrary<fc.AsyncCommand<ReferenceMap, Caches>>[] = [
  command(
    'set',
    async ({ map, cache, client }, k: Key, t: string | undefined) => {
      const value = ++lastValue
      await cache.set(k, value, setOptions(t))
      map.set(client, k, value, t)
    },
    key,
    tag,
  ),
  command(
    'setMany',
    async ({ map, cache, client }, ks: Key[], t: string | undefined) => {
      const entries = ks.map((k): [Key, number] => [k, ++lastValue])
      await cache.setMany(entries, setOptions(t))
      for (const [k, value] of entries) map.set(client, k, value, t)
    },
    keys,
    tag,
  ),
  command(
    'get',
    async (scene, k: Key, isFresh: boolean) => {
      checkRead(scene, k, isFresh, await scene.cache.get(k, { fresh: isFresh }))
    },
    key,
    fresh,
  ),
  command(
    'getMany',
    async (scene, ks: Key[], isFresh: boolean) => {
      const values = await scene.cache.getMany(ks, { fresh: isFresh })
      assert.equal(values.length, ks.length)
      for (const [i, k] of ks.entries()) checkRead(scene, k, isFresh, values[i])
    },
    keys,
    fresh,
  ),
  command(
    'getEntry',
    async (scene, k: Key) => {
      checkRead(scene, k, true, (await scene.cache.getEntry(k))?.value)
    },
    key,
  ),
  command(
    'peek',
    async (scene, k: Key) => {
      const value = scene.cache.peek(k)
      if (value !== undefined) checkRead(scene, k, false, value)
    },
    key,
  ),
  command(
    'getOrSet',
    async (scene, k: Key, t: string | undefined) => {
      const { map, cache, client } = scene
      let loaded: number | undefined
      const value = await cache.getOrSet(k, () => (loaded = ++lastValue), setOptions(t))
      if (loaded === undefined) return checkRead(scene, k, false, value)
      // Loading means that nothing was there.
      assert.equal(map.get(k), undefined)
      assert.equal(value, loaded)
      map.set(client, k, loaded, t)
    },
    key,
    tag,
  ),
  command(
    'delete',
    async ({ map, cache, client }, k: Key) => {
      assert.equal(await cache.delete(k), map.get(k) !== undefined)
      map.delete(client, k)
    },
    key,
  ),
  command(
    'invalidate',
    async ({ map, cache, client }, ks: Key[]) => {
      await cache.invalidate(ks)
      for (const k of ks) map.delete(client, k)
    },
    keys,
  ),
  command(
    'invalidateTags',
    async ({ map, cache, client }, t: string) => {
      await cache.invalidateTags([t])
      map.invalidateTag(client, t)
    },
    fc.constantFrom('even', 'odd'),
  ),
  command(
    'deleteByPrefix',
    async ({ map, cache, client }, prefix: string) => {
      await cache.deleteByPrefix(prefix)
      map.deletePrefix(client, prefix)
    },
    fc.constantFrom(...PREFIXES),
  ),
  command('clear', async ({ map, cache, client }) => {
    await cache.clear()
    map.deletePrefix(client, '')
  }),
  command(
    'touch',
    async ({ map, cache, client }, k: Key, isEndless: boolean) => {
      assert.equal(await cache.touch(k, isEndless ? null : '1h'), map.get(k) !== undefined)
      map.isUpToDate(client, k)
    },
    key,
    fc.boolean(),
  ),
  command(
    'expire',
    async ({ map, cache, client }, k: Key) => {
      assert.equal(await cache.expire(k), map.get(k) !== undefined)
      map.delete(client, k)
    },
    key,
  ),
  command('sync', async ({ map, cache, client }) => {
    await cache.sync()
    map.isUpToDate(client)
  }),
  command('keys', async ({ map, cache }) => {
    assert.deepEqual((await collect(cache.keys())).toSorted(), map.keys())
  }),
  command('prune', async ({ cache }) => void (await cache.prune())),
]
