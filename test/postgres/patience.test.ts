import { afterAll, describe, expect, it } from 'vitest'
import { type GetOrSetOptions, PostgresCache } from '../../src/index.ts'
import { CountingLoad } from '../counting-load.ts'
import { createDatabase } from '../database.ts'
import { nextEvent } from '../next-event.ts'
import { holdReads } from './held-reads.ts'

const database = await createDatabase()
const connectionString = database.url
// A read that is held up is not to end by itself.
const cache = new PostgresCache({ connectionString, queryTimeout: '1m' })
await cache.connect()
afterAll(() => cache.close())

const BACKGROUND: GetOrSetOptions = { ttl: '1h', grace: '1h', revalidate: 'background' }

async function stale(key: string): Promise<void> {
  await cache.set(key, 'old', { ttl: 1, grace: '1h' })
  await expect.poll(async () => (await cache.getEntry(key))?.stale, { interval: 1 }).toBe(true)
}

describe("a signal with revalidate: 'background'", () => {
  it('that is aborted during the read takes its caller out and leaves the load to the others', async () => {
    await stale('something stale')
    for (const [key, answer] of [
      ['nothing there', 'new'],
      ['something stale', 'old'],
    ] as const) {
      const source = new CountingLoad(async () => 'new')
      const controller = new AbortController()
      const loaded = nextEvent(cache, 'loaded')
      const reads = await holdReads(database)
      const patient = cache.getOrSet(key, source.load, BACKGROUND)
      const impatient = cache.getOrSet(key, source.load, { ...BACKGROUND, signal: controller.signal })
      await reads.awaited()
      controller.abort(new Error('gave up'))
      await expect(impatient).rejects.toThrow('gave up')
      await reads.release()
      expect(await patient).toBe(answer)
      expect(await loaded).toMatchObject({ key, stored: true })
      expect(source.runs).toBe(1)
    }
  })

  it('that is aborted during the read ends the load where nobody else asked', async () => {
    const source = new CountingLoad(async () => 'new')
    const controller = new AbortController()
    const reads = await holdReads(database)
    const impatient = cache.getOrSet('only one', source.load, { ...BACKGROUND, signal: controller.signal })
    await reads.awaited()
    controller.abort(new Error('gave up'))
    await expect(impatient).rejects.toThrow('gave up')
    const failed = nextEvent(cache, 'load-failed')
    await reads.release()
    expect(await failed).toMatchObject({ key: 'only one' })
    expect(source.runs).toBe(0)
  })
})
