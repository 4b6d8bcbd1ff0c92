// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** The connections to one address: few, each for so many calls at a time. Thread-safe. */
final class ConnectionPool implements Connection.Owner {
  /** So many are enough for calls that no thread waits for. */
  private static final int SHARED_CONNECTIONS = 2;

  /** A connection that was in use so shortly ago is not looked at again before its next use. */
  private static final long TRUSTED_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  private static final double AGE_JITTER = 0.1;

  /** All connections were busy until the deadline. */
  static final class BusyException extends IOException {
    private static final long serialVersionUID = 1L;

    BusyException() {
      super("timed out while other calls of this client went first");
    }
  }

  /** Connects. */
  interface Opener {
    Transport open(Deadline deadline) throws IOException;
  }

  /** What the pool knows of a connection. */
  private static final class Member {
    private final Connection connection;
    private final long retiresAt;
    private int calls;
    private long usedAt = System.nanoTime();

    Member(Connection connection, long retiresAt) {
      this.connection = connection;
      this.retiresAt = retiresAt;
    }
  }

  private final ClientOptions options;
  private final Workers workers;
  private final Opener opener;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by the lock. Those first in the list are used first, so that the last fall idle.
  private final List<Member> members = new ArrayList<>();
  private final Map<Connection, Member> byConnection = new HashMap<>();
  private int opening;
  private boolean closed;

  ConnectionPool(ClientOptions options, Workers workers, Opener opener) {
    this.options = options;
    this.workers = workers;
    this.opener = opener;
  }

  /**
   * A connection on which the caller now makes one exchange: an idle one, a new one, or the least
   * busy one; waits while all are as busy as they may be.
   */
  Connection acquire(Deadline deadline, Deadline connected) throws IOException {
    lock.lock();
    try {
      while (true) {
        Connection ready = takeReady(options.connectionsMax());
        if (ready != null) {
          return ready;
        }
        if (members.size() + opening < options.connectionsMax()) {
          opening++;
          break;
        }
        awaitChange(deadline);
      }
    } finally {
      lock.unlock();
    }
    return open(connected);
  }

  /** Opens a connection ahead of the first call. */
  void connect(Deadline deadline) throws IOException {
    released(acquire(deadline, deadline));
  }

  /** As {@link #acquire}, or null where that would have to wait. */
  Connection tryAcquire() {
    return tryAcquire(options.connectionsMax());
  }

  /** As {@link #tryAcquire}, for a call that no thread waits for: it shares as soon as it can. */
  Connection tryShare() {
    return tryAcquire(Math.min(options.connectionsMax(), SHARED_CONNECTIONS));
  }

  private Connection tryAcquire(int wanted) {
    lock.lock();
    try {
      return takeReady(wanted);
    } finally {
      lock.unlock();
    }
  }

  /** Null where there is none, or a new one is to be made: while there are fewer than wanted. */
  private Connection takeReady(int wanted) {
    Member best = null;
    for (int index = 0; index < members.size(); index++) {
      Member member = members.get(index);
      if (member.calls >= options.callsPerConnectionMax() || !member.connection.isUsable()) {
        continue;
      }
      if (member.calls > 0) {
        best = best == null || member.calls < best.calls ? member : best;
      } else if (isFit(member)) {
        best = member;
        break; // none is better, and to look at the others would cost system calls
      } else {
        remove(member.connection);
        index--;
        member.connection.retire();
      }
    }
    boolean mayOpen = members.size() + opening < wanted;
    if (best == null || (best.calls > 0 && mayOpen)) {
      return null;
    }
    best.calls++;
    return best.connection;
  }

  private boolean isFit(Member member) {
    long now = System.nanoTime();
    return now - member.retiresAt < 0
        && (now - member.usedAt < TRUSTED_NANOS || member.connection.isHealthy());
  }

  private Connection open(Deadline deadline) throws IOException {
    Connection connection = null;
    try {
      Transport transport = opener.open(deadline);
      connection = new Connection(transport, options.protocol(), workers, this);
      workers.watchdog().add(connection);
      return connection;
    } finally {
      opened(connection);
    }
  }

  private void opened(Connection connection) {
    boolean late;
    lock.lock();
    try {
      opening--;
      late = closed;
      if (connection != null) {
        Member member = new Member(connection, System.nanoTime() + age());
        member.calls = 1;
        members.add(member);
        byConnection.put(connection, member);
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    if (late && connection != null) {
      connection.close(new IOException("the client was closed"));
    }
  }

  private long age() {
    double jitter = ThreadLocalRandom.current().nextDouble(1 - AGE_JITTER, 1 + AGE_JITTER);
    return (long) (options.connectionAgeMax().toNanos() * jitter);
  }

  private void awaitChange(Deadline deadline) throws IOException {
    try {
      if (changed.awaitNanos(deadline.remainingNanos()) <= 0) {
        throw new BusyException();
      }
    } catch (InterruptedException interruption) {
      Thread.currentThread().interrupt();
      throw new ClosedByInterruptException();
    }
  }

  @Override
  public void released(Connection connection) {
    lock.lock();
    try {
      Member member = byConnection.get(connection);
      if (member != null) {
        member.calls--;
        member.usedAt = System.nanoTime();
        changed.signal();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void closed(Connection connection) {
    workers.watchdog().remove(connection);
    lock.lock();
    try {
      remove(connection);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void remove(Connection connection) {
    Member member = byConnection.remove(connection);
    if (member != null) {
      members.remove(member);
    }
  }

  /** Closes connections that nobody has used for long, or that are old. */
  void evict() {
    List<Connection> expired = new ArrayList<>();
    long now = System.nanoTime();
    lock.lock();
    try {
      for (Member member : List.copyOf(members)) {
        boolean idle = now - member.usedAt > options.idleTimeout().toNanos();
        if (member.calls == 0 && (idle || now - member.retiresAt >= 0)) {
          remove(member.connection);
          expired.add(member.connection);
        }
      }
    } finally {
      lock.unlock();
    }
    expired.forEach(Connection::retire);
  }

  /** Takes no more calls, lets those in progress end, and waits for them. */
  void close() {
    List<Connection> open = new ArrayList<>();
    lock.lock();
    try {
      closed = true;
      members.forEach(member -> open.add(member.connection));
    } finally {
      lock.unlock();
    }
    open.forEach(Connection::retire);
    lock.lock();
    try {
      while (!members.isEmpty()) {
        changed.awaitUninterruptibly();
      }
    } finally {
      lock.unlock();
    }
  }
}
