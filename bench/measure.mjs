/** The middle of some numbers. */
export function median(numbers) {
  const sorted = Float64Array.from(numbers).toSorted();
  return sorted[sorted.length >> 1] ?? NaN;
}

/** Milliseconds that a call takes. */
export function timed(call) {
  const start = performance.now();
  call();
  return performance.now() - start;
}

/** Milliseconds of processor time that a call takes in this process: what else the machine does is not in it. */
export function processorTime(call) {
  const start = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/**
 * The median over inputs of each input's best time, after warming up: what else the machine does adds to a time, and
 * never takes from it.
 */
export function medianTime(inputs, call, rounds = 15, warmUp = 8) {
  const times = inputs.map(() => []);
  for (let round = 0; round < rounds + warmUp; round++) {
    for (const [i, input] of inputs.entries()) {
      const spent = timed(() => call(input));
      if (round >= warmUp) times[i].push(spent);
    }
  }
  return median(times.map((spent) => Math.min(...spent)));
}

export function rounded(number, digits = 4) {
  return Number(number.toPrecision(digits));
}
