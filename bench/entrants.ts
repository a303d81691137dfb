// Who may be timed: those whose server is there and who pass the check of correctness.

import { infoOf, type ContenderName } from './contenders.ts'
import { schemaOf, type Versions } from './contender.ts'
import { failureText } from './failure-text.ts'
import { Fleet } from './fleet.ts'
import type { Servers } from './servers/servers.ts'

export interface Entrants {
  readonly fit: ReadonlyMap<ContenderName, Versions>
  /** Why each of the others is left out. */
  readonly leftOut: ReadonlyMap<ContenderName, string>
}

export async function checkEntrants(names: readonly ContenderName[], servers: Servers): Promise<Entrants> {
  const fit = new Map<ContenderName, Versions>()
  const leftOut = new Map<ContenderName, string>()
  for (const name of names) {
    const { server } = infoOf(name)
    const url = servers[server]?.url
    if (url === undefined) {
      leftOut.set(name, `there is no ${server} server`)
      continue
    }
    try {
      await using fleet = await Fleet.open({
        contender: name,
        address: { url, schema: schemaOf(name) },
        clients: 2,
      })
      fit.set(name, await fleet.runIn(0, 'check', null))
    } catch (error) {
      leftOut.set(name, failureText(error))
    }
  }
  return { fit, leftOut }
}
