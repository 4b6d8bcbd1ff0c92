// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends what blocks beyond its deadline. Sockets block without a time limit of their own, which
 * saves a system call or two in every call; one thread for all of a client's connections keeps
 * their deadlines instead, and sleeps until the next of them.
 */
final class Watchdog {
  /** Something that can be ended when it is late. */
  interface Watched {

    /** Ends what is late and returns when to look again, on the monotonic clock. */
    long expire(long now);
  }

  private static final long LONGEST_SLEEP_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final Set<Watched> watched = ConcurrentHashMap.newKeySet();
  private final Thread thread = new Thread(this::watch, "thriftscore-watchdog");
  private volatile boolean stopped;
  private volatile boolean looking;
  private volatile long wakesAt;

  Watchdog() {
    thread.setDaemon(true);
    thread.start();
  }

  void add(Watched added) {
    watched.add(added);
  }

  void remove(Watched removed) {
    watched.remove(removed);
  }

  /** Call it after a deadline was set that {@link Watched#expire} will see. */
  void expectBy(long deadline) {
    if (looking || deadline - wakesAt < 0) {
      LockSupport.unpark(thread);
    }
  }

  private void watch() {
    while (!stopped) {
      // Deadlines that are set while it looks may be missed: they wake it at once.
      looking = true;
      long now = System.nanoTime();
      long next = now + LONGEST_SLEEP_NANOS;
      for (Watched one : watched) {
        long due = one.expire(now);
        next = due - next < 0 ? due : next;
      }
      wakesAt = next;
      looking = false;
      LockSupport.parkNanos(this, next - System.nanoTime());
    }
  }

  void stop() {
    stopped = true;
    LockSupport.unpark(thread);
  }
}
