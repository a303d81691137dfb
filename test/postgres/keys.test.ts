import { afterAll, describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { collect } from '../collect.ts'
import { createDatabase } from '../database.ts'
import { held } from '../held.ts'
import { nextEvent } from '../next-event.ts'

const { url: connectionString } = await createDatabase()
const cache = new PostgresCache({ connectionString })
const other = new PostgresCache({ connectionString })
afterAll(() => Promise.all([cache.close(), other.close()]))

const KEYS: Record<string, string> = {
  separators: 'a:b/c.d,e;f|g h',
  'a dot, as in addresses of caches': 'postgres_cache.',
  quotes: `'single' "double" \`back\` “curly”`,
  emoji: '👩‍👩‍👧 family 🇺🇦',
  percent: '100%_%d%s',
  backslash: 'C:\\temp\\\\n',
  newlines: 'line\nline\r\n\ttab',
  'control characters': '\u0001\u001f\u007f',
  'what SQL would do': `'; drop table postgres_cache.entries; --`,
  'dollar quotes': '$$ $1 $body$',
  'braces and commas, as in an array': '{a,"b",NULL}',
  NULL: 'NULL',
  'only spaces': '   ',
  'a name of Object.prototype': '__proto__',
  'a composed letter': 'é'.normalize('NFC'),
  'the same letter decomposed': 'é'.normalize('NFD'),
  'another case': 'CASE',
  'and that case': 'case',
  'the longest key': 'k'.repeat(1024),
  'the longest key of emoji': '🙂'.repeat(256),
}
const LIST = Object.values(KEYS)

describe.each(Object.entries(KEYS))('a key with %s', (_, key) => {
  it('is stored, found, tagged, changed and removed as any other', async () => {
    await cache.set(key, { key }, { tags: [key] })
    expect(await cache.get(key)).toEqual({ key })
    expect(await other.get(key)).toEqual({ key })
    expect(await other.getOrSet(key, () => 'loaded')).toEqual({ key })
    expect((await other.getEntry(key))?.tags).toEqual([key])
    expect(await cache.touch(key, '1h')).toBe(true)

    // What follows must not take the news of that for the news of the delete.
    await other.sync()
    expect(await held(other, key)).toEqual({ key })
    const evicted = nextEvent(other, 'evicted', (event) => event.key === key)
    expect(await cache.delete(key)).toBe(true)
    await evicted
    expect(await other.get(key)).toBeUndefined()
    expect(await other.getOrSet(key, () => 'loaded')).toBe('loaded')
    await cache.deleteByPrefix(key)
    expect(await cache.get(key)).toBeUndefined()
  })
})

describe('strange keys together', () => {
  it('are told apart in one statement', async () => {
    await cache.setMany(LIST.map((key, i) => ({ key, value: i, tags: LIST.slice(0, 3) })))
    expect(await other.getMany(LIST, { fresh: true })).toEqual(LIST.map((_, i) => i))
    expect((await collect(other.keys())).toSorted()).toEqual(LIST.toSorted())
    for (const [i, key] of LIST.slice(0, 3).entries())
      expect(await collect(other.keys({ tag: key, prefix: LIST[i] as string }))).toEqual([key])
    await cache.invalidate(LIST)
    expect(await other.getMany(LIST, { fresh: true })).toEqual(LIST.map(() => undefined))
  })
})
