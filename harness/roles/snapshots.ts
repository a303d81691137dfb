// Looks at one snapshot after the other: whatever counts as valid must be what the source says in the same snapshot.

import type { Client } from 'pg'
import type { Assignment } from '../crew.ts'
import { HistoryWriter, type Mismatch, now } from '../history.ts'
import type { Work } from '../member.ts'
import { codeOf, isPassing } from '../outages.ts'
import { pause } from '../pause.ts'
import { connect, reconnected } from '../connected.ts'

// The comparison is work for the server, and others want to work, too.
const PAUSE_MS = 15

const COMPARE = `
select count(*)::integer as compared,
  coalesce(
    jsonb_agg(jsonb_build_object('key', key, 'cached', c.value::jsonb, 'source', t.value)) filter (where c.value::jsonb <> t.value), '[]'
  ) as mismatches
from harness.cached as c join harness.truth as t using (key)`

const EVIDENCE = {
  naive: `select pg_current_snapshot()::text as snapshot, to_jsonb(e) as entry from harness.naive_entries as e where e.key = $1`,
  fenced: `select pg_current_snapshot()::text as snapshot, to_jsonb(e) as entry, to_jsonb(s) as state,
  (select jsonb_agg(i) from postgres_cache.invalidations as i where i.target = 'k' || e.key or i.target in (select 't' || t from unnest(e.tags) as t))
    as invalidations,
  (select jsonb_agg(p) from postgres_cache.prefix_invalidations as p where starts_with('k' || e.key, p.prefix)) as prefix_invalidations,
  (select v.xmin::text from harness.versions as v where v.key = e.key) as changed_by
from postgres_cache.entries as e, postgres_cache.state as s where e.key = $1`,
}

export async function startSnapshots({ plan, url, directory }: Assignment): Promise<Work> {
  const open = (): Promise<Client> => connect(url, 'harness snapshots')
  let client = await open()
  const history = new HistoryWriter(directory, 'snapshots')
  const figures = { compared: 0, violations: 0 }
  const stopping = new AbortController()

  const look = async (): Promise<void> => {
    const start = now()
    await client.query('begin isolation level repeatable read, read only')
    const { rows } = await client.query<{ compared: number; mismatches: Mismatch[] }>(COMPARE)
    const { compared = 0, mismatches = [] } = rows[0] ?? {}
    const explained: Mismatch[] = []
    for (const mismatch of mismatches) {
      const evidence = await client.query(EVIDENCE[plan.naive ? 'naive' : 'fenced'], [mismatch.key])
      explained.push({ ...mismatch, evidence: evidence.rows[0] })
    }
    await client.query('commit')
    figures.compared += compared
    figures.violations += mismatches.length
    history.add({ op: 'snapshot', node: 'snapshots', compared, mismatches: explained, start, end: now() })
  }
  const finished = (async () => {
    while (!stopping.signal.aborted) {
      await look().catch(async (error: unknown) => {
        if (!plan.soak || !isPassing(codeOf(error))) throw error
        await client.end().catch(() => {})
        client = await reconnected(open, stopping.signal)
      })
      await pause(PAUSE_MS)
    }
  })()
  return {
    get progress() {
      return { operations: history.count, ...figures }
    },
    finished,
    stop: async () => {
      stopping.abort()
      await finished
      await client.end()
      history.close()
    },
  }
}
