// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Arrays;

/** The 95th percentile of recent latencies. Thread-safe. */
final class LatencyWindow {
  private static final int SIZE = 512;
  private static final int RECOUNT_EVERY = 32;
  private static final double QUANTILE = 0.95;

  private final long[] nanos = new long[SIZE];
  private int count;
  private volatile long p95 = Long.MAX_VALUE;

  synchronized void add(long latencyNanos) {
    nanos[count % SIZE] = latencyNanos;
    count = count + 1 == 2 * SIZE ? SIZE : count + 1;
    if (count % RECOUNT_EVERY == 0) {
      long[] sorted = Arrays.copyOf(nanos, Math.min(count, SIZE));
      Arrays.sort(sorted);
      p95 = sorted[(int) (sorted.length * QUANTILE)];
    }
  }

  /** Far too long to matter while there are too few latencies to tell. */
  long p95Nanos() {
    return p95;
  }
}
