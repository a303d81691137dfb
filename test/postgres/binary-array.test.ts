import { expect, it } from 'vitest'
import { encodeFloat8Array, encodeTextArray } from '../../src/postgres/binary-array.ts'
import { createDatabase } from '../database.ts'

const { query } = await createDatabase()

it.each([
  ['nothing', []],
  ['plain texts', ['a', 'bc']],
  ['nulls, and what a literal would have to quote', [null, '', 'null', '{"\\,}', ' ']],
  ['every width of UTF-8', ['é€😀', 'ﬀ']],
])('the server reads an array of texts: %s', async (_, items) => {
  const [row] = await query<{ items: unknown }>('select to_json($1::text[]) as items', [
    encodeTextArray(items),
  ])
  expect(row?.items).toEqual(items)
})

it.each([
  ['nothing', []],
  ['numbers', [0, -1.5, 86_400_000, 2 ** 53]],
  ['nulls and what is for ever', [null, Infinity, null]],
])('the server reads an array of numbers: %s', async (_, items) => {
  const [row] = await query<{ items: unknown }>('select to_json($1::float8[]::text[]) as items', [
    encodeFloat8Array(items),
  ])
  const texts = row?.items as (string | null)[]
  expect(texts.map((text) => (text === null ? null : Number(text)))).toEqual(items)
})
