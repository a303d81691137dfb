import { setTimeout as delay } from 'node:timers/promises'

/** Lets others run for a while: the harness is about what happens then. */
export async function pause(ms: number): Promise<void> {
  await delay(ms)
}
