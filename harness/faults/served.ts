// How long a process went on serving what was overwritten.

import type { PostgresCache } from '../../src/index.ts'
import type { NodeProcess } from '../../test/nodes/node-process.ts'
import { expectAtMost } from './bound.ts'

/** Overwrites a value that the node holds while it reads all the time; G1 bounds how long that goes unnoticed. */
export async function expectNoticed(
  node: NodeProcess,
  writer: PostgresCache,
  { key, maxStalenessMs, what }: { key: string; maxStalenessMs: number; what: string },
): Promise<void> {
  const value = await writer.get(key, { fresh: true })
  const served = node.run('lastServed', { key, value })
  await writer.set(key, `${String(value)}+`)
  const acknowledged = process.hrtime.bigint()
  const lateMs = Number(BigInt(await served) - acknowledged) / 1e6
  expectAtMost(what, Math.max(0, lateMs), maxStalenessMs)
}
