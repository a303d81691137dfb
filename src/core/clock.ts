// The two clocks of a process, behind one interface so that tests can step, stop and suspend them.

export interface Clock {
  /** Milliseconds since the epoch. Counts the time a machine is suspended; an operator or NTP can step it. */
  wall(): number
  /** Milliseconds since some fixed moment. Never stepped; may stand still while the machine is suspended. */
  monotonic(): number
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
}
