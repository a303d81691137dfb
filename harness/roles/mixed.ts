// A node whose clients do everything that a cache can be asked for, each in an order of its own.

import { changeAccounts } from '../actions/change-accounts.ts'
import { changeWatched } from '../actions/change-watched.ts'
import { prune, removeRegisters, removeSourced, setRegister } from '../actions/plain-writes.ts'
import { get, getMany, getOrSet, getRegister, sync } from '../actions/reads.ts'
import { compare, setWhatWasRead } from '../actions/transactional-reads.ts'
import type { Assignment } from '../crew.ts'
import { now } from '../history.ts'
import type { Work } from '../member.ts'
import { Client, Node } from '../node.ts'
import { pause } from '../pause.ts'

interface Choice {
  readonly weight: number
  readonly item: (client: Client) => Promise<void>
}

const READS: readonly Choice[] = [
  { weight: 35, item: getOrSet },
  { weight: 20, item: get },
  { weight: 5, item: getMany },
  { weight: 20, item: getRegister },
  { weight: 3, item: compare },
  { weight: 1, item: sync },
]
const WRITES: readonly Choice[] = [
  { weight: 6, item: setRegister },
  { weight: 1.5, item: removeRegisters },
  { weight: 1, item: removeSourced },
  { weight: 7, item: changeAccounts },
  { weight: 4, item: changeWatched },
  { weight: 2, item: setWhatWasRead },
  { weight: 0.1, item: prune },
]
const EVERYTHING: readonly Choice[] = [...READS, ...WRITES]
const CALM: readonly Choice[] = [
  ...READS,
  ...WRITES.map(({ weight, item }) => ({ weight: weight / 20, item })),
]

const THINK_MS = 6
// Whoever is refused at once need not fill the history with it.
const FAILED_MS = 200
// Now and then all are calm together, so that local caches fill and are hit.
const PHASE_MS = 1_500
const isCalm = (): boolean => Math.floor(now() / PHASE_MS) % 3 === 0

export async function startMixed({ plan, url, cacheUrl, directory, index }: Assignment): Promise<Work> {
  const node = new Node({ plan, url, cacheUrl, directory, index })
  await node.cache.connect()
  const stopping = new AbortController()
  const clients = Array.from({ length: plan.clients }, (_, i) => new Client(node, i, plan.seed))
  const finished = Promise.all(clients.map((client) => work(client, stopping.signal)))
  return {
    get progress() {
      return { operations: node.operations, compared: 0, violations: node.failures }
    },
    finished,
    stop: async () => {
      stopping.abort()
      await finished
      await node.close()
    },
  }
}

async function work(client: Client, stopping: AbortSignal): Promise<void> {
  const { node, random } = client
  while (!stopping.aborted) {
    const action = random.weighted(isCalm() ? CALM : EVERYTHING)
    const begun = now()
    let hasFailed = false
    await action(client).catch((error: unknown) => {
      hasFailed = true
      node.fail(action.name, error, begun)
    })
    await pause(random.below(hasFailed ? FAILED_MS : THINK_MS))
  }
}
