// What every contender must get right before it is timed. A fast wrong answer is no answer.

import { isDeepStrictEqual } from 'node:util'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Contender, KEY_PREFIX, type Versions } from './contender.ts'

const LONG_MS = 60_000
const SHORT_MS = 150
const PATIENCE_MS = 3_000
const POLL_MS = 5

const FIRST = { name: 'Ava', tags: ['a', 'ü', '🙂'], nested: { deep: [1, 2.5, null, true] }, text: `'"%\\` }
const SECOND = { name: 'Eve' }

/** Throws where a contender fails; the versions that the check ran with. With two clients, coherence is checked, too. */
export async function checkCorrectness(clients: readonly Contender[], _input: null): Promise<Versions> {
  const [contender, other] = clients
  if (!contender) throw new Error('there is no client to check')
  const key = `${KEY_PREFIX}check:${randomUUID()}`
  const expect = async (what: string, wanted: unknown): Promise<void> =>
    assertSame(contender.name, what, await contender.get(key), wanted)

  await expect('a key that was never set', undefined)
  await contender.set(key, FIRST, LONG_MS)
  await expect('the value that was set', FIRST)
  await expect('the value that was set, again', FIRST)
  const changed = (await contender.get(key)) as { name: string }
  changed.name = 'changed by a caller'
  await expect('the value after a caller changed its copy', FIRST)
  await contender.set(key, SECOND, LONG_MS)
  await expect('the value that was overwritten', SECOND)
  if (contender.getMany) {
    const many = await contender.getMany([key, `${key}:none`])
    assertSame(contender.name, 'several keys', many, [SECOND, undefined])
  }
  await contender.delete(key)
  await expect('a key that was deleted', undefined)
  await checkExpiry(contender, key)
  if (other) await checkCoherence(contender, other, key)
  return contender.versions()
}

async function checkExpiry(contender: Contender, key: string): Promise<void> {
  await contender.set(key, FIRST, SHORT_MS)
  const set = performance.now()
  assertSame(contender.name, 'the value within its ttl', await contender.get(key), FIRST)
  await eventually(contender, 'a miss after the ttl', async () => (await contender.get(key)) === undefined)
  const livedMs = performance.now() - set
  if (livedMs < SHORT_MS / 2)
    throw new Error(`${contender.name}: a ttl of ${SHORT_MS} ms ended after ${livedMs} ms`)
}

async function checkCoherence(contender: Contender, other: Contender, key: string): Promise<void> {
  await contender.set(key, FIRST, LONG_MS)
  assertSame(contender.name, 'the value that another client set', await other.get(key), FIRST)
  await contender.set(key, SECOND, LONG_MS)
  await eventually(contender, 'the overwritten value in another client', async () =>
    isDeepStrictEqual(await other.get(key), SECOND),
  )
  await contender.delete(key)
}

async function eventually({ name }: Contender, what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadline)
      throw new Error(`${name}: ${what} did not come within ${PATIENCE_MS} ms`)
    await delay(POLL_MS)
  }
}

function assertSame(name: string, what: string, got: unknown, wanted: unknown): void {
  if (isDeepStrictEqual(got, wanted)) return
  throw new Error(`${name}: ${what}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`)
}
