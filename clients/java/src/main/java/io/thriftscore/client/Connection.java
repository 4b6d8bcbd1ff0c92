// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.ProtocolException;
import java.net.SocketTimeoutException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One connection that carries the exchanges of many callers, told apart by their numbers.
 *
 * <p>Nobody waits for the right to write: whoever finds no writer writes for all that came in the
 * meantime, in as few writes as it can. A caller that is alone on the connection also reads its own
 * reply, without a switch to another thread; as soon as there are several, a thread of the client
 * reads for all of them.
 *
 * <p>The socket blocks. What outlasts its deadline is ended by the {@link Watchdog}: it closes the
 * connection if a thread is stuck in the socket for a caller, since nothing else frees that thread.
 * Others that came to share the connection during that very wait lose it too, and may be tried
 * again elsewhere; since a server answers in order, they were behind what did not come.
 */
final class Connection implements Watchdog.Watched {
  /** So long after it was shared last, a connection stays with the thread that reads for all. */
  private static final long SHARED_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

  private static final long NEVER_NANOS = TimeUnit.DAYS.toNanos(10_000);

  /** Hears what becomes of a connection. */
  interface Owner {

    /** An exchange is over. */
    void released(Connection connection);

    /** The connection is closed, and with it all its exchanges are over. */
    void closed(Connection connection);
  }

  private final Transport transport;
  private final WireProtocol protocol;
  private final Workers workers;
  private final Owner owner;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock.
  private final Deque<Exchange> pending = new ArrayDeque<>();
  private final Deque<Exchange> unsent = new ArrayDeque<>();
  private boolean reading;
  private boolean writing;
  private long sharedUntil = System.nanoTime();

  // Written under the lock. A connection with a failure is closed.
  private volatile IOException failure;
  private volatile boolean draining;

  // When the watchdog must act, on the monotonic clock.
  private final long never = System.nanoTime() + NEVER_NANOS;
  private volatile long readBy = never;
  private volatile long writeBy = never;
  private volatile long replyBy = never;

  Connection(Transport transport, WireProtocol protocol, Workers workers, Owner owner) {
    this.transport = transport;
    this.protocol = protocol;
    this.workers = workers;
    this.owner = owner;
  }

  /** Makes an exchange and returns the reply; it ends, one way or another, by its deadline. */
  byte[] call(Exchange exchange) throws IOException {
    start(exchange);
    if (exchange.reads) {
      readAlone(exchange);
    } else {
      await(exchange);
    }
    return exchange.reply();
  }

  /** Sends the request; the exchange hears of its outcome, or of the failure to send it. */
  void start(Exchange exchange) throws IOException {
    admit(exchange);
    workers.watchdog().expectBy(exchange.deadline.nanoTime());
    if (exchange.writes) {
      write(exchange);
    }
  }

  /** Takes the exchange in, and decides who reads and who writes. */
  private void admit(Exchange exchange) throws IOException {
    lock.lock();
    try {
      if (failure != null) {
        throw new IOException("the connection had just been closed", failure);
      }
      pending.add(exchange);
      exchange.writes = !writing;
      if (writing) {
        unsent.add(exchange);
      }
      writing = true;
      writeBy = exchange.writes ? exchange.deadline.nanoTime() : writeBy;
      boolean alone = pending.size() == 1 && exchange.hasCaller();
      if (!alone) {
        sharedUntil = System.nanoTime() + SHARED_NANOS;
      }
      exchange.reads = alone && !reading;
      readBy = exchange.reads ? exchange.deadline.nanoTime() : readBy;
      if (!alone && !reading) {
        workers.read(this::readForAll);
      }
      reading = true;
      if (!exchange.hasCaller()) {
        expectReplyBy(exchange.deadline.nanoTime());
      }
    } finally {
      lock.unlock();
    }
  }

  private void expectReplyBy(long by) {
    if (by - replyBy < 0) {
      replyBy = by;
    }
  }

  /** Writes the exchange and all that is unsent; others that come meanwhile leave theirs here. */
  private void write(Exchange own) {
    try {
      transport.send(own.request);
      if (!own.reads) {
        // Those whose replies came with the last one are about to send too: one write for all.
        Thread.yield();
        sendUnsent();
      }
      transport.flush();
      while (!stopsWriting()) {
        sendUnsent();
        transport.flush();
      }
    } catch (IOException broken) {
      close(broken);
    }
  }

  private void sendUnsent() throws IOException {
    for (Exchange next = nextUnsent(); next != null; next = nextUnsent()) {
      if (next.isWaiting()) {
        transport.send(next.request);
      } else {
        forget(next);
      }
    }
  }

  private Exchange nextUnsent() {
    lock.lock();
    try {
      return unsent.poll();
    } finally {
      lock.unlock();
    }
  }

  /** For what was given up before a byte of it was sent: no reply will come. */
  private void forget(Exchange exchange) {
    lock.lock();
    try {
      pending.remove(exchange);
    } finally {
      lock.unlock();
    }
    owner.released(this);
  }

  private boolean stopsWriting() {
    lock.lock();
    try {
      writing = !unsent.isEmpty();
      writeBy = writing ? writeBy : never;
      return !writing;
    } finally {
      lock.unlock();
    }
  }

  private void readAlone(Exchange exchange) throws IOException {
    try {
      while (exchange.isWaiting()) {
        receive();
      }
    } catch (IOException broken) {
      close(broken);
      // Another thread may have closed it, and not have come to this exchange yet.
      exchange.fail(broken);
    } finally {
      leaveReading();
    }
  }

  /** Others may have come: then the reading goes on without the caller that was alone. */
  private void leaveReading() throws IOException {
    lock.lock();
    try {
      readBy = never;
      if (failure == null && pending.isEmpty()) {
        transport.requireNothingMore();
      }
      reading = failure == null && !pending.isEmpty();
      if (reading) {
        workers.read(this::readForAll);
      }
    } catch (ProtocolException unasked) {
      close(unasked);
      throw unasked;
    } finally {
      lock.unlock();
    }
  }

  private void readForAll() {
    try {
      while (keepsReading()) {
        receive();
      }
    } catch (IOException broken) {
      close(broken);
    }
  }

  private boolean keepsReading() {
    lock.lock();
    try {
      boolean shared = !pending.isEmpty() || System.nanoTime() - sharedUntil < 0;
      reading = failure == null && shared;
      return reading;
    } finally {
      lock.unlock();
    }
  }

  private void receive() throws IOException {
    byte[] message = transport.receive();
    Exchange exchange = take(MessageHead.of(message, protocol));
    exchange.reply(message);
    owner.released(this);
    if (draining) {
      closeIfDone();
    }
  }

  /** The exchange that a reply is for: of its number, and of its method. */
  private Exchange take(MessageHead head) throws IOException {
    lock.lock();
    try {
      if (failure != null) {
        throw failure; // it was closed, and its exchanges let go, while the reply was on its way
      }
      for (Iterator<Exchange> each = pending.iterator(); each.hasNext(); ) {
        Exchange exchange = each.next();
        if (exchange.sequence == head.sequence() && head.isOf(exchange.method)) {
          each.remove();
          return exchange;
        }
      }
      throw new ProtocolException(
          String.format(
              "received a reply to %s %d, which was not asked for", head.name(), head.sequence()));
    } finally {
      lock.unlock();
    }
  }

  private void await(Exchange exchange) throws IOException {
    try {
      exchange.await();
    } catch (IOException gaveUp) {
      if (exchange.abandon()) {
        retire();
        throw gaveUp;
      }
    }
  }

  /**
   * Gives up an exchange whose reply is not wanted; the connection stays in service until the
   * reply is overdue. False if the exchange had ended.
   */
  boolean abandon(Exchange exchange) {
    return exchange.abandon();
  }

  /** False once no new exchange may be made. */
  boolean isUsable() {
    return !draining && failure == null;
  }

  /** Looks for a peer that has gone; only for a connection without exchanges. */
  boolean isHealthy() {
    lock.lock();
    try {
      return failure == null && (reading || transport.isQuiet());
    } finally {
      lock.unlock();
    }
  }

  /** Takes no new exchanges, and closes when those that are waited for are over. */
  void retire() {
    draining = true;
    closeIfDone();
  }

  private void closeIfDone() {
    lock.lock();
    try {
      if (pending.stream().anyMatch(Exchange::isWaiting)) {
        return;
      }
    } finally {
      lock.unlock();
    }
    close(new IOException("the connection was closed after use"));
  }

  /** Closes at once; exchanges that still wait fail with this reason. */
  void close(IOException why) {
    List<Exchange> lost;
    lock.lock();
    try {
      if (failure != null) {
        return;
      }
      failure = why;
      lost = new ArrayList<>(pending);
      pending.clear();
      unsent.clear();
    } finally {
      lock.unlock();
    }
    transport.close();
    owner.closed(this);
    lost.forEach(exchange -> exchange.fail(why));
  }

  @Override
  public long expire(long now) {
    if (now - readBy >= 0 || now - writeBy >= 0) {
      close(new IOException("a call that it was busy with was out of time"));
      return never;
    }
    if (now - replyBy >= 0) {
      expireReplies(now);
    }
    long first = readBy - writeBy < 0 ? readBy : writeBy;
    return first - replyBy < 0 ? first : replyBy;
  }

  /** Ends exchanges that no thread waits for, and are late. */
  private void expireReplies(long now) {
    List<Exchange> late = new ArrayList<>();
    lock.lock();
    try {
      replyBy = never;
      for (Exchange exchange : pending) {
        if (exchange.hasCaller() && exchange.isWaiting()) {
          continue;
        }
        if (exchange.deadline.nanoTime() - now <= 0) {
          late.add(exchange);
        } else {
          expectReplyBy(exchange.deadline.nanoTime());
        }
      }
    } finally {
      lock.unlock();
    }
    if (!late.isEmpty()) {
      late.forEach(exchange -> exchange.fail(new SocketTimeoutException("timed out")));
      retire();
    }
  }
}
