import { expect, test } from 'vitest'
import { Prefixes } from '../../../src/memory/prefixes.ts'
import { TagIndex } from '../../../src/memory/tag-index.ts'
import { localEntry } from './local-entries.ts'

test('keeps nothing of a tag that no entry carries any more', () => {
  const index = new TagIndex()
  const entries = ['a', 'b', 'c'].map((key) => localEntry(key, { tags: ['shared', 'shared', `own ${key}`] }))
  for (const entry of entries) index.add(entry)
  expect(index.size).toBe(4)
  expect(index.withTag('shared')).toEqual(entries)
  expect(index.withTag('own b')).toEqual([entries[1]])
  for (const entry of entries) index.delete(entry)
  expect(index.size).toBe(0)
  expect(index.withTag('shared')).toEqual([])
})

test('finds each entry once for a prefix that several of its tags begin with', () => {
  const index = new TagIndex()
  const entry = localEntry('a', { tags: ['team:1', 'team:2', 'users'] })
  index.add(entry)
  expect([...index.withPrefixes(new Prefixes(['team:']))]).toEqual([entry])
  expect([...index.withPrefixes(new Prefixes(['posts']))]).toEqual([])
})
