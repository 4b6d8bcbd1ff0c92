// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends what blocks beyond its deadline. Sockets block without a time limit of their own, which
 * saves a system call or two in every call; one thread for all of a client's connections keeps
 * their deadlines instead, and sleeps until the first it was told of. That most are kept long
 * before does not wake it: with a time limit of a second it looks about once a second.
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
  private volatile long wakesAt = System.nanoTime();

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
    if (deadline - wakesAt < 0 && looksBy(deadline)) {
      LockSupport.unpark(thread);
    }
  }

  private synchronized boolean looksBy(long deadline) {
    boolean sooner = deadline - wakesAt < 0;
    wakesAt = sooner ? deadline : wakesAt;
    return sooner;
  }

  private synchronized void rest(long until) {
    wakesAt = until;
  }

  private void watch() {
    while (!stopped) {
      long now = System.nanoTime();
      if (now - wakesAt >= 0) {
        // First, so that a deadline which is set while it looks, and may be missed, counts.
        rest(now + LONGEST_SLEEP_NANOS);
        watched.forEach(one -> looksBy(one.expire(now)));
      }
      LockSupport.parkNanos(this, wakesAt - System.nanoTime());
    }
  }

  void stop() {
    stopped = true;
    LockSupport.unpark(thread);
  }
}
