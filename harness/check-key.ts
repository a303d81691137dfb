// The operations on one key. Everything that changes what may be read has a rank: the version that it brought, or half a step above the newest
// version that it removed. A read must not come before what it has to know of.

import type { Context, Guarantee, Violation } from './check.ts'
import { Frontier, type Mark } from './frontier.ts'
import { groupBy } from './group-by.ts'
import type { Commit, KeyedOperation, Operation, Read, Removal, SetValue } from './history.ts'

/** What brought a version. */
type Origin = SetValue | Commit
type Fact = Origin | Removal

export function checkKey(key: string, operations: readonly KeyedOperation[], context: Context): Violation[] {
  const history = new KeyHistory(key, operations, context)
  return [...groupBy(history.reads, ({ node }) => node).values()].flatMap((reads) => history.checkNode(reads))
}

class KeyHistory {
  readonly reads: readonly Read[]
  readonly #key: string
  readonly #context: Context
  readonly #origins: ReadonlyMap<number, readonly Origin[]>
  /** Without a source, a version that was removed never comes back. */
  readonly #hasSource: boolean
  readonly #facts: readonly Mark<Fact>[]
  readonly #acknowledged: Frontier<Fact>

  constructor(key: string, operations: readonly KeyedOperation[], context: Context) {
    this.#key = key
    this.#context = context
    this.reads = operations.filter((operation) => operation.op === 'read')
    const origins = operations.filter((operation) => operation.op === 'set' || operation.op === 'commit')
    this.#origins = groupBy(origins, ({ version }) => version)
    this.#hasSource = !origins.some(({ op }) => op === 'set')
    this.#facts = [
      ...this.#originFacts(origins),
      ...this.#removalFacts(origins.filter((operation) => operation.op === 'set')),
    ]
    this.#acknowledged = new Frontier(this.#facts)
  }

  /** All reads through one node. */
  checkNode(reads: readonly Read[]): Violation[] {
    const { node } = reads[0] as Read
    const own = new Frontier(
      this.#facts.filter(
        ({ item }) => item.node === node && !(item.op === 'commit' && item.by === 'statement'),
      ),
    )
    const byEnd = reads.toSorted((a, b) => a.end - b.end)
    const knownAtStart = new Map<Read, number>()
    let ended = 0
    let known: Mark<Operation> | undefined
    let open: Read[] = []
    return reads
      .toSorted((a, b) => a.start - b.start)
      .flatMap((read) => {
        for (; ended < byEnd.length && (byEnd[ended] as Read).end < read.start; ended++) {
          const seen = this.#learn(byEnd[ended] as Read, knownAtStart)
          if (seen !== undefined && !(known !== undefined && known.rank >= seen.rank)) known = seen
        }
        const written = own.before(read.start)
        knownAtStart.set(read, Math.max(known?.rank ?? -1, written?.rank ?? -1))
        open = [...open.filter(({ end }) => end >= read.start), read]
        // It may have been answered by a read of this node that was under way, a single `get` also by one that the cache makes by itself.
        const refetchedFrom = (read.call === 'get' ? read.refetchedFrom : null) ?? read.start
        const joinable = Math.min((open[0] as Read).start, refetchedFrom)
        const begun = read.fresh || read.tier === 'local' ? read.start : joinable
        return this.#check(read, begun, written, known)
      })
  }

  #check(
    read: Read,
    begun: number,
    written: Mark<Operation> | undefined,
    known: Mark<Operation> | undefined,
  ): Violation[] {
    if (read.found === null) return []
    const { version, stamp } = read.found
    const candidates = this.#origins.get(version) ?? []
    const origin = candidates.find((candidate) => candidate.stamp === stamp)
    const accuse = (guarantee: Guarantee, what: string, because: Operation | null): Violation[] => [
      { guarantee, what, key: this.#key, operation: read, because },
    ]
    if (origin === undefined) return accuse('G5', 'a value was read that nobody has committed', null)
    // Two cannot have made the same version: one that was left open has not happened, if another was acknowledged.
    if (!origin.acknowledged && candidates.some(({ acknowledged }) => acknowledged))
      return accuse('G5', 'a value was read that nobody has committed', null)
    if (origin.start > read.end) return accuse('G5', 'a value was read before its commit began', origin)

    const missed = this.#missed(read, begun)
    if (missed !== undefined && missed.mark.rank > version) {
      return this.#context.outages.restartBetween(missed.mark.item.end, begun)
        ? accuse(
            'G7',
            'a restart of the server brought back what was overwritten or removed',
            missed.mark.item,
          )
        : accuse(missed.guarantee, missed.what, missed.mark.item)
    }
    if (written !== undefined && written.rank > version)
      return accuse('G2', 'a read missed what its own process had written', written.item)
    if (known !== undefined && known.rank > version)
      return accuse('G2', 'a read went back behind an earlier one of its process', known.item)
    if (origin.op === 'set' && origin.acknowledged && begun > origin.end + origin.ttlMs)
      return accuse('G6', 'a value was read past its expiry', origin)
    return []
  }

  /** The furthest that the read has to know of, and which promise says so. */
  #missed(
    { node, start, tier, fresh }: Read,
    begun: number,
  ): { mark: Mark<Operation>; guarantee: Guarantee; what: string } | undefined {
    const { maxStalenessMs, syncs } = this.#context
    const synced = syncs.get(node)?.before(start)?.rank ?? -Infinity
    const bound = tier === 'local' ? start - maxStalenessMs : begun
    const mark = this.#acknowledged.before(Math.max(bound, synced))
    if (mark === undefined) return undefined
    if (fresh) return { mark, guarantee: 'G3', what: 'a fresh read missed what was committed before it' }
    if (synced > bound)
      return { mark, guarantee: 'G3', what: 'a read after a sync missed what the sync must know' }
    if (tier === 'local') return { mark, guarantee: 'G1', what: 'a local hit was older than maxStaleness' }
    return { mark, guarantee: 'G4', what: 'the store served what a committed transaction had made wrong' }
  }

  /** What a finished read says about later ones of its node. */
  #learn(read: Read, knownAtStart: ReadonlyMap<Read, number>): Mark<Operation> | undefined {
    if (read.found !== null) return { at: read.end, rank: read.found.version, item: read }
    // A miss after a version was known: it has been removed, or has expired.
    const known = knownAtStart.get(read) ?? -1
    const isOpen = read.doubtful || this.#context.outages.touch(read)
    if (this.#hasSource || isOpen || known < 0) return undefined
    return { at: read.end, rank: Math.floor(known) + 0.5, item: read }
  }

  /** A version counts once it was acknowledged, or once somebody has read what was left open. */
  #originFacts(origins: readonly Origin[]): Mark<Fact>[] {
    return origins.flatMap((item) => {
      if (item.acknowledged) return [{ at: item.end, rank: item.version, item }]
      const ends = this.reads
        .filter(({ found }) => found?.version === item.version && found.stamp === item.stamp)
        .map(({ end }) => end)
      return ends.length === 0 ? [] : [{ at: Math.min(...ends), rank: item.version, item }]
    })
  }

  /** A removal counts for the newest version that was acknowledged before it was called. */
  #removalFacts(sets: readonly SetValue[]): Mark<Fact>[] {
    const { removals } = this.#context
    const acknowledged = sets.filter((each) => each.acknowledged)
    const [first] = acknowledged
    if (first === undefined) return []
    const present = new Frontier(acknowledged.map((item) => ({ at: item.end, rank: item.version, item })))
    return removals.flatMap((item) => {
      if (!item.acknowledged || !item.targets.some((target) => covers(target, first))) return []
      const removed = present.before(item.start)
      return removed === undefined ? [] : [{ at: item.end, rank: removed.rank + 0.5, item }]
    })
  }
}

/** A key's tags are always the same. */
function covers(target: string, { key, tags }: SetValue): boolean {
  const name = target.slice(1)
  if (target.startsWith('k')) return name === key
  if (target.startsWith('t')) return tags.includes(name)
  return key.startsWith(name)
}
