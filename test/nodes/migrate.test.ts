import { expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { createDatabase } from '../database.ts'
import { group, NodeProcess } from './node-process.ts'

const database = await createDatabase({ isInstalled: false })

it('twenty processes that migrate at once all succeed, and migrate once', async () => {
  const nodes = await NodeProcess.startMany(20)
  await using _ = group(nodes)
  const options = { connectionString: database.ownerUrl, pool: { max: 1 }, queryTimeout: '20s' as const }
  // Half of them on purpose, half by their first use.
  const outcomes = await Promise.all(
    nodes.map((node, i) => (i % 2 === 0 ? node.run('migrate', options) : node.run('firstUse', options))),
  )
  const version = await PostgresCache.schemaVersion(options)
  for (const [i, outcome] of outcomes.entries()) {
    if (i % 2 === 0) expect(outcome).toBe(version)
    else expect(outcome).toBeGreaterThan(0)
  }
  const applied = await database.query('select version from postgres_cache.migrations order by version')
  expect(applied).toEqual(Array.from({ length: version }, (__, i) => ({ version: i + 1 })))
}, 120_000)
