// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import java.util.concurrent.locks.LockSupport;

/**
 * One request on its way over a connection, until its reply is there, its connection has failed or
 * its caller has given it up; the first of the three wins.
 */
class Exchange {
  private static final AtomicReferenceFieldUpdater<Exchange, Object> OUTCOME =
      AtomicReferenceFieldUpdater.newUpdater(Exchange.class, Object.class, "outcome");
  private static final Object ABANDONED = new Object();

  final String method;
  final int sequence;
  final OutgoingMessage request;
  final Deadline deadline;

  // The part of the exchange's own thread in the connection's work; the connection sets them.
  boolean reads;
  boolean writes;

  /** Null while waiting; then the bytes of the reply, an IOException or ABANDONED. */
  private volatile Object outcome;

  private volatile Thread waiting;

  Exchange(String method, int sequence, OutgoingMessage request, Deadline deadline) {
    this.method = method;
    this.sequence = sequence;
    this.request = request;
    this.deadline = deadline;
  }

  /** True if a thread waits for the outcome, and so can read the connection meanwhile. */
  boolean hasCaller() {
    return true;
  }

  /** Called once, by the thread that knows the outcome. */
  void settled() {
    LockSupport.unpark(waiting);
  }

  final void reply(byte[] message) {
    settle(message);
  }

  final void fail(IOException failure) {
    settle(failure);
  }

  private void settle(Object how) {
    if (OUTCOME.compareAndSet(this, null, how)) {
      settled();
    }
  }

  /** True if the exchange was still waiting: nobody will hear of its outcome any more. */
  final boolean abandon() {
    return OUTCOME.compareAndSet(this, null, ABANDONED);
  }

  final boolean isWaiting() {
    return outcome == null;
  }

  final boolean isAbandoned() {
    return outcome == ABANDONED;
  }

  /** The reply of an exchange that is settled. */
  final byte[] reply() throws IOException {
    Object how = outcome;
    if (how instanceof byte[] message) {
      return message;
    }
    if (how instanceof IOException failure) {
      throw failure;
    }
    throw new IllegalStateException("the exchange is not settled");
  }

  /** Waits for the outcome: until the deadline, or an interrupt, which it leaves in place. */
  final void await() throws IOException {
    waiting = Thread.currentThread();
    while (isWaiting()) {
      if (Thread.currentThread().isInterrupted()) {
        throw new IOException("the calling thread was interrupted");
      }
      long remaining = deadline.remainingNanos();
      if (remaining <= 0) {
        throw new SocketTimeoutException("timed out");
      }
      LockSupport.parkNanos(this, remaining);
    }
  }
}
