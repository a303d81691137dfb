// A standby takes the place of its primary: a new world begins there, whatever was replicated.

import { describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/embedded-postgres.ts'
import { PostgresCache } from '../../src/index.ts'
import { Latch } from '../../test/latch.ts'
import { nextEvent } from '../../test/next-event.ts'
import { Replication } from './replication.ts'
import { describeWith } from './tools.ts'

const DURABILITIES = ['unlogged', 'logged'] as const

describeWith('an installed PostgreSQL (apt-get install postgresql)', 'a failover:', () => {
  describe.each(DURABILITIES)('when the primary of an %s cache dies', (durability) => {
    it('clients of the standby have missed until now, and clients of both go on in a new world', async () => {
      await using replication = await Replication.start()
      await using cache = new PostgresCache({ ...replication.address, durability })
      await cache.setMany(
        ['kept', 'overwritten', 'deleted', 'tagged'].map((key) => ({ key, value: 'old', tags: [key] })),
      )
      await replication.catchUp()

      await using onStandby = new PostgresCache({ connectionString: replication.standby.url, durability })
      await expectNothingCached(onStandby)

      const latch = new Latch()
      const begun = new Latch()
      const load = cache.getOrSet('loading', async () => {
        begun.open()
        await latch.opened
        return 'from before'
      })
      await begun.opened
      await replication.disconnect()
      await cache.set('overwritten', 'new')
      await cache.delete('deleted')
      await cache.invalidateTags('tagged')
      expect(cache.peek('overwritten')).toBe('new')

      const flushed = nextEvent(cache, 'flushed')
      const values: unknown[] = []
      const reading = new AbortController()
      const reader = readUntil(reading.signal, cache, ['overwritten', 'deleted', 'tagged'], values)
      await replication.failOver()
      // A sync may find the standby before its promotion is through; the new world then finds nothing left to flush.
      expect(['recovery', 'world']).toContain((await flushed).reason)
      reading.abort()
      await reader
      expect(values).not.toContain('old')

      const loaded = nextEvent(cache, 'loaded')
      latch.open()
      expect(await load).toBe('from before')
      expect(await loaded).toMatchObject({ stored: false })
      const keys = ['kept', 'overwritten', 'deleted', 'tagged', 'loading']
      expect(await cache.getMany(keys)).toEqual(keys.map(() => undefined))
      expect(keys.map((key) => cache.peek(key))).toEqual(keys.map(() => undefined))
      expect(await onStandby.getMany(keys)).toEqual(keys.map(() => undefined))

      await cache.set('kept', 'new')
      expect(await cache.get('kept')).toBe('new')
      expect(await onStandby.get('kept', { fresh: true })).toBe('new')
      await onStandby.set('kept', 'newer')
      await expect
        .poll(async () => [await onStandby.get('kept'), onStandby.peek('kept')])
        .toEqual(['newer', 'newer'])
      await expect.poll(() => cache.get('kept')).toBe('newer')
      expect(await onStandby.getOrSet('loading', () => 'from after')).toBe('from after')
      expect(await cache.get('loading')).toBe('from after')
    })
  })

  describe('when the primary goes on beside the promoted standby', () => {
    // Logged: then both hold the same rows at first, under the same world, versions and transaction ids.
    it('a connection that was left there is noticed, and nothing from there enters the local cache', async () => {
      await using replication = await Replication.start()
      const durability = 'logged'
      await using cache = new PostgresCache({ ...replication.address, durability, pool: { max: 2 } })
      const direct = ({ url }: PostgresServer): PostgresCache =>
        new PostgresCache({ connectionString: url, durability, local: false })
      const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
      await cache.setMany(keys.map((key) => [key, 'first']))
      const read = (): Promise<unknown> => cache.getMany(keys, { fresh: true })
      await Promise.all([read(), cache.sync(), read()])
      expect(replication.poolPorts).toHaveLength(2)
      await replication.catchUp()

      await replication.promote()
      await using ahead = direct(replication.standby)
      await ahead.setMany(keys.map((key) => [key, 'second']))
      await using behind = direct(replication.primary)
      await behind.setMany(keys.map((key) => [key, 'third']))
      replication.switchOver({ pools: 'one' })
      await expect.poll(() => cache.get('key 0')).toBe('second')
      for (const key of keys) {
        const both = await Promise.all([cache.get(key), cache.get(key, { fresh: true })])
        expect([...both, cache.peek(key) ?? 'second']).toEqual(['second', 'second', 'second'])
      }
      expect(replication.poolPorts).not.toContain(replication.primary.port)
    })
  })
})

/** On a standby reads miss, loaders run, and writes are refused. */
async function expectNothingCached(cache: PostgresCache): Promise<void> {
  expect(await cache.get('kept')).toBeUndefined()
  expect(await cache.getMany(['kept', 'overwritten'])).toEqual([undefined, undefined])
  expect(await cache.getOrSet('kept', () => 'loaded')).toBe('loaded')
  expect(await cache.get('kept')).toBeUndefined()
  expect(cache.peek('kept')).toBeUndefined()
  for (const write of [() => cache.set('kept', 'new'), () => cache.delete('kept'), () => cache.clear()]) {
    await expect(write()).rejects.toMatchObject({ code: 'read-only' })
  }
}

async function readUntil(
  signal: AbortSignal,
  cache: PostgresCache,
  keys: readonly string[],
  values: unknown[],
): Promise<void> {
  while (!signal.aborted) {
    for (const key of keys) values.push(await cache.get(key), cache.peek(key))
    await new Promise(setImmediate)
  }
}
