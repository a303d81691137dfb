// An idle cache does next to nothing: what its server is asked for, counted by the server.

import { describe, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { nextEvent } from '../next-event.ts'
import { HAS_OWN_SERVERS, startOwnServer } from '../own-server.ts'

const PRUNE_INTERVAL_MS = 1_000
const TURNS = 4
// What the default asks for: a turn every half minute.
const TURNS_A_MINUTE = 2

describe.runIf(HAS_OWN_SERVERS)('an idle cache', () => {
  it('asks a few statements a minute, all of them for the sweep', async () => {
    await using server = await startOwnServer({ log_statement: 'all', log_line_prefix: '%a: ' })
    await using cache = new PostgresCache({
      connectionString: server.url,
      pruneInterval: PRUNE_INTERVAL_MS,
      maxStaleness: '200ms',
    })
    await cache.getOrSet('a', () => 1)
    await cache.get('a')
    await nextEvent(cache, 'swept')
    // Within this turn it has stopped to sync for the read.
    await nextEvent(cache, 'swept')
    const before = statementsIn(server.log())
    for (let turn = 1; turn <= TURNS; turn++) await nextEvent(cache, 'swept')
    const asked = statementsIn(server.log()).slice(before.length)

    const perTurn = asked.length / TURNS
    console.log(`idle: ${perTurn} statements a turn, ${perTurn * TURNS_A_MINUTE} a minute`)
    expect(perTurn).toBeLessThanOrEqual(8)
    expect(asked.filter((statement) => !/sweep|trim|forget|table_blocks/.test(statement))).toEqual([])
  })
})

/** Of the cache: `execute <name>`, or a text. */
function statementsIn(log: string): string[] {
  return [...log.matchAll(/^postgres-cache[^:]*: LOG: {2}(?:execute (\S+):|statement: (.*))/gm)].map(
    ([, name, text]) => name ?? text ?? '',
  )
}
