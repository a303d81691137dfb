// Hints that nobody has sent: of each version there was, of the next one, and of one that never will be; and of tags.

import type { Change } from '../../src/core/change.ts'
import type { AbstractStore } from './abstract-store.ts'
import type { Family } from './family.ts'

const NOTHING: Change = { version: 'forged', keys: [], tags: [], keyPrefixes: [], tagPrefixes: [] }

export function forgeries({ keys }: Family, { log, nextVersion }: AbstractStore): Change[] {
  const versions = [...new Set([...log.map(({ version }) => version), nextVersion, 'forged'])]
  return [
    ...keys.flatMap((key) => versions.map((version) => ({ ...NOTHING, version, keys: [key] }))),
    { ...NOTHING, tags: ['of nothing'] },
    { ...NOTHING, keyPrefixes: ['of nothing'] },
    { ...NOTHING, tagPrefixes: ['of nothing'] },
  ]
}
