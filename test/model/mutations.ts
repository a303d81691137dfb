// The rules of the local cache, each with what the code would be without it. A mutation that the model does not see is a
// rule that is not needed, or a hole in the model.

import { bypass } from './mutations/bypass-rules.ts'
import { coherence } from './mutations/coherence-rules.ts'
import { databaseClock } from './mutations/database-clock-rules.ts'
import { flights } from './mutations/flights-rules.ts'
import { lease } from './mutations/lease-rules.ts'
import { localCache } from './mutations/local-cache-rules.ts'
import { localEntry } from './mutations/local-entry-rules.ts'
import { nullCoherence } from './mutations/null-coherence-rules.ts'
import { ownVersions } from './mutations/own-versions-rules.ts'
import { syncReply } from './mutations/sync-reply-rules.ts'
import { tagIndex } from './mutations/tag-index-rules.ts'
import { tokens } from './mutations/tokens-rules.ts'
import type { Rule } from './mutations/rule.ts'

export interface Mutation extends Rule {
  /** In src/memory. */
  readonly file: string
}

const rules: Readonly<Record<string, readonly Rule[]>> = {
  'bypass.ts': bypass,
  'coherence.ts': coherence,
  'database-clock.ts': databaseClock,
  'flights.ts': flights,
  'lease.ts': lease,
  'local-cache.ts': localCache,
  'local-entry.ts': localEntry,
  'null-coherence.ts': nullCoherence,
  'own-versions.ts': ownVersions,
  'sync-reply.ts': syncReply,
  'tag-index.ts': tagIndex,
  'tokens.ts': tokens,
}

export const mutations: readonly Mutation[] = Object.entries(rules).flatMap(([file, list]) =>
  list.map((rule) => ({ file, ...rule })),
)
