// A machine that drops off the network: nobody is told, and nothing is closed.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { PostgresCache } from '../../src/index.ts'
import { NodeProcess } from '../../test/nodes/node-process.ts'
import { bound, expectAtMost, within } from './bound.ts'
import { Namespace } from './namespace.ts'
import { describeWith } from './tools.ts'

const MAX_STALENESS_MS = 1_000
const LOCKS_FREE_MS = 20_000

describeWith(
  'network namespaces (root, and apt-get install iproute2)',
  'a process whose machine drops off the network',
  () => {
    let namespace: Namespace
    beforeAll(async () => {
      namespace = await Namespace.create()
    })
    afterAll(() => namespace[Symbol.asyncDispose]())

    it(
      'serves nothing old, and the locks of its loads are free within 20 s',
      { timeout: bound(60_000) },
      async () => {
        await using reader = await NodeProcess.start({ command: namespace.command })
        await using loader = await NodeProcess.start({ command: namespace.command })
        const options = { connectionString: namespace.serverUrl, maxStaleness: MAX_STALENESS_MS } as const
        await Promise.all([reader.run('open', options), loader.run('open', options)])
        await using heir = new PostgresCache({ connectionString: namespace.localUrl, lockTimeout: '1h' })
        await heir.set('key', 'old')
        await reader.run('hold', { key: 'key', value: 'old' })
        await namespace.query('create table loads (key text, pid integer)')
        void loader.run('loadForEver', { key: 'locked', url: namespace.serverUrl }).catch(() => {})
        await expect.poll(() => namespace.query('table loads')).toHaveLength(1)
        const inherited = heir.getOrSet('locked', () => 'taken over')

        const served = reader.run('lastServed', { key: 'key', value: 'old' })
        namespace.disconnect()
        await heir.set('key', 'new')
        const acknowledged = process.hrtime.bigint()
        const lateMs = Number(BigInt(await served) - acknowledged) / 1e6
        expectAtMost(
          'off the network: served after it was overwritten',
          Math.max(0, lateMs),
          MAX_STALENESS_MS,
        )
        expect(await reader.run('peek', 'key')).toBeUndefined()
        expect(await within('the locks of the dead holder are free', LOCKS_FREE_MS, inherited)).toBe(
          'taken over',
        )

        await loader.kill()
        namespace.reconnect()
        await expect.poll(() => reader.run('getFresh', 'key'), { timeout: bound(20_000) }).toBe('new')
      },
    )
  },
)
