// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;

/** A moment by which something must be done, on the monotonic clock. */
record Deadline(long nanoTime) {
  private static final long NANOS_PER_MILLI = 1_000_000;
  private static final Duration SHORTEST = Duration.ofMillis(1);
  private static final Duration LONGEST = Duration.ofMillis(Integer.MAX_VALUE);

  static Deadline after(Duration timeout) {
    return new Deadline(System.nanoTime() + timeout.toNanos());
  }

  static Deadline afterNanos(long nanos) {
    return new Deadline(System.nanoTime() + nanos);
  }

  /** Refuses what the wire (whole milliseconds in an i32) cannot carry. */
  static void requireInRange(String name, Duration timeout) {
    if (timeout.compareTo(SHORTEST) < 0 || timeout.compareTo(LONGEST) > 0) {
      throw new IllegalArgumentException(
          name + " must be from 1 ms to 2^31 - 1 ms, received " + timeout);
    }
  }

  Deadline orEarlier(Deadline other) {
    return nanoTime - other.nanoTime <= 0 ? this : other;
  }

  boolean hasPassed() {
    return remainingNanos() <= 0;
  }

  long remainingNanos() {
    return nanoTime - System.nanoTime();
  }

  /** Rounded up, and at least 1: to a socket as to the server, 0 would mean without end. */
  int remainingMillis() {
    long millis = (remainingNanos() + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI;
    return (int) Math.max(1, Math.min(millis, Integer.MAX_VALUE));
  }
}
