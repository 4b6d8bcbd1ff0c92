// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Bounds what retries and hedges add to the load of servers that are in trouble: each call earns a
 * tenth of a token, and each attempt beyond a call's first costs one.
 */
final class RetryBudget {
  private static final int EARNED_MILLIS = 100;
  private static final int TOKEN_MILLIS = 1_000;
  private static final int INITIAL_MILLIS = 10 * TOKEN_MILLIS;
  private static final int CAPACITY_MILLIS = 100 * TOKEN_MILLIS;

  private final AtomicInteger millis = new AtomicInteger(INITIAL_MILLIS);

  void earn() {
    // Most of the time the bucket is full, and a read is all that threads share.
    if (millis.get() < CAPACITY_MILLIS) {
      millis.accumulateAndGet(
          EARNED_MILLIS, (held, earned) -> Math.min(held + earned, CAPACITY_MILLIS));
    }
  }

  boolean tryTake() {
    int held = millis.get();
    while (held >= TOKEN_MILLIS) {
      if (millis.compareAndSet(held, held - TOKEN_MILLIS)) {
        return true;
      }
      held = millis.get();
    }
    return false;
  }
}
