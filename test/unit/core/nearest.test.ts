import { expect, test } from 'vitest'
import { nearest } from '../../../src/core/nearest.ts'

const known = [
  'ttl',
  'loadTimeout',
  'lockTimeout',
  'maxStaleness',
  'maxPending',
  'connectionString',
  'sessionConnectionString',
  'schemaPrefix',
  'audit',
]

test.each([
  ['tll', 'ttl'],
  ['TTL', 'ttl'],
  ['ttlMs', 'ttl'],
  ['loadTimout', 'loadTimeout'],
  ['lockTimeot', 'lockTimeout'],
  ['maxStalenes', 'maxStaleness'],
  ['connectionstring', 'connectionString'],
  ['connection', 'connectionString'],
  ['schema_prefix', 'schemaPrefix'],
  ['prefix', 'schemaPrefix'],
  ['defaultTtl', 'ttl'],
  ['default-ttl', 'ttl'],
])('takes %s for %s', (name, meant) => {
  expect(nearest(name, known)).toBe(meant)
})

test.each(['retries', 'foo', 'x', 'redisUrl', '', '_', 'url', 'ssl', 'redis', 'max', 'timeout', 'axStale'])(
  'takes %j for nothing known',
  (name) => {
    expect(nearest(name, known)).toBe(undefined)
  },
)
