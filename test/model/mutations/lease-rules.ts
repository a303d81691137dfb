// How long a hit may be served.

import type { Rule } from './rule.ts'

export const lease: readonly Rule[] = [
  {
    without: 'a lease does not end by the wall clock',
    seenIn: 'a long lease and a small step forward',
    from: 'now.wall >= this.#end || ',
    to: '',
  },
  {
    without: 'a lapsed lease keeps its window',
    seenIn: 'gaps and recovery',
    from: 'this.#from = 0\n    this.#until = 0\n  }\n\n  #look',
    to: '}\n\n  #look',
  },
  {
    without: 'a renewal does not look for steps before the sync',
    seenIn: 'a clock that goes back',
    from: "if (this.check() === 'stepped') return 'stepped'",
    to: '',
  },
  {
    without: 'clocks always agree',
    seenIn: 'a clock that goes back',
    from: 'Math.abs(apart) <= TOLERANCE_MS + elapsed * SLEW',
    to: 'true',
  },
  {
    without: 'a window has no beginning',
    seenIn: 'a clock that goes back',
    from: 'nowWall >= this.#from && ',
    to: '',
  },
  {
    without: 'a window lasts as long as the lease',
    seenIn: 'a clock that goes back while nothing looks',
    from: 'Math.min(this.#end, now.wall + this.checkPeriodMs)',
    to: 'this.#end',
  },
  {
    without: 'a lease leaves no margin',
    seenIn: 'a clock that goes back within a window',
    from: 'maxStalenessMs - this.checkPeriodMs - TOLERANCE_MS',
    to: 'maxStalenessMs',
  },
  {
    without: 'a lapsed lease is held',
    seenIn: 'the lease',
    from: 'this.#held = false\n    this.#from',
    to: 'this.#from',
  },
  {
    without: 'a lease does not end by the monotonic clock',
    seenIn: 'a long lease and a small step back',
    from: ' || now.monotonic - this.#anchor.monotonic >= this.#durationMs',
    to: '',
  },
  {
    without: 'a step is found again and again',
    seenIn: 'a clock that goes back',
    from: "this.#anchor = now\n      return 'stepped'",
    to: "return 'stepped'",
  },
  {
    without: 'a window does not end with the lease',
    seenIn: 'a clock that goes back within a window',
    from: 'Math.min(this.#end, now.wall + this.checkPeriodMs)',
    to: 'now.wall + this.checkPeriodMs',
  },
]
