// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.net.SocketAddress;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One address of an endpoint: its connections, how busy and fast it is, if it is in service. */
final class Backend {
  private static final Logger LOG = LoggerFactory.getLogger(ThriftscoreClient.class);
  private static final int FAILURES_MAX = 3;
  private static final long EJECTION_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final long EJECTION_NANOS_MAX = TimeUnit.SECONDS.toNanos(10);
  private static final double EWMA_WEIGHT = 0.1;

  /** A latency seen so long ago counts half: what was slow gets another chance. */
  private static final double FORGETTING_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final String name;
  private final ConnectionPool connections;
  private final AtomicInteger outstanding = new AtomicInteger();
  private final AtomicBoolean probed = new AtomicBoolean();

  // Written without a lock: an update lost in a race moves an average a little less.
  private volatile double latencyNanos;
  private volatile long measuredAt = System.nanoTime();

  // Written under the lock of this object.
  private volatile int failures;
  private int ejections;
  private volatile boolean ejected;
  private volatile long returnsAt;

  Backend(Endpoint endpoint, SocketAddress address, ClientOptions options, Workers workers) {
    this.name = endpoint.nameOf(address);
    this.connections =
        new ConnectionPool(
            options,
            workers,
            deadline -> Transport.open(address, endpoint.host(), options, deadline));
  }

  /** What errors and logs call it. */
  String name() {
    return name;
  }

  ConnectionPool connections() {
    return connections;
  }

  boolean isInService() {
    return !ejected;
  }

  /** When it is due back; in the past where it is in service. */
  long returnsAt() {
    return returnsAt;
  }

  /** True for the one caller that may find out whether an ejected backend works again. */
  boolean mayProbe(long now) {
    return ejected && now - returnsAt >= 0 && !probed.get() && probed.compareAndSet(false, true);
  }

  /** The lower the better: how long a call more would take. */
  double cost(long now) {
    double forgotten = latencyNanos / (1 + (now - measuredAt) / FORGETTING_NANOS);
    return (outstanding.get() + 1) * Math.max(forgotten, 1);
  }

  void started() {
    outstanding.incrementAndGet();
  }

  /** An attempt has ended, whatever its outcome. */
  void ended() {
    outstanding.decrementAndGet();
  }

  /** It gave an answer, if only an error that is not a matter of its health. */
  void answered(long nanos) {
    measured(nanos);
    alive();
  }

  /** It answered with an error; 0 = so quickly that it says nothing of how long a call takes. */
  void refused(long nanos) {
    if (nanos > 0) {
      measured(nanos);
    }
    alive();
  }

  private void alive() {
    if (failures > 0 || ejected) {
      recover();
    }
  }

  private void measured(long nanos) {
    double before = latencyNanos;
    latencyNanos = before == 0 ? nanos : before + EWMA_WEIGHT * (nanos - before);
    measuredAt = System.nanoTime();
  }

  private synchronized void recover() {
    failures = 0;
    if (ejected) {
      LOG.info("endpoint {} is in service again", name);
      ejected = false;
      ejections = 0;
    }
    probed.set(false);
  }

  /** It gave no valid answer in time. */
  void failed(long nanos, ThriftscoreException why) {
    measured(nanos);
    synchronized (this) {
      failures++;
      if (ejected || failures >= FAILURES_MAX) {
        eject(why);
      }
    }
  }

  /** It cannot serve now. */
  synchronized void eject(ThriftscoreException why) {
    long now = System.nanoTime();
    // Several calls may find out at once: that is one ejection.
    if (!ejected || now - returnsAt >= 0) {
      double longest = Math.min(EJECTION_NANOS_MAX, EJECTION_NANOS * Math.pow(2, ejections));
      long pause = (long) (longest * ThreadLocalRandom.current().nextDouble(0.5, 1));
      ejections++;
      returnsAt = now + pause;
      ejected = true;
      LOG.warn(
          "endpoint {} is out of service for {} ms: {}",
          name, TimeUnit.NANOSECONDS.toMillis(pause), why.getMessage());
    }
    probed.set(false);
  }

  /** A probe ended without telling anything. */
  void probeLeft() {
    probed.set(false);
  }
}
