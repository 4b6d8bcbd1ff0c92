// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.thrift.TException;

/**
 * One call that no thread waits for: its attempts, after one another or, where it is hedged, at the
 * same time. Replies are read, and the future completed, by the client's workers, never by the
 * thread that reads a connection for all.
 */
final class AsyncCall<R> {
  /** A request above this may not fit the socket's buffer, and so block the thread that sends. */
  private static final int SMALL_BYTES = 16 * 1024;

  /** An attempt under way. */
  private record Sent<R>(Attempt<R> attempt, Connection connection, Exchange exchange) {}

  private final ClientState client;
  private final CallProgress<R> call;
  private final CompletableFuture<R> future = new CompletableFuture<>();
  private final AtomicBoolean over = new AtomicBoolean();

  // Guarded by the lock of this object.
  private final List<Sent<R>> sent = new ArrayList<>(1);
  private int running;

  AsyncCall(ClientState client, CallProgress<R> call) {
    this.client = client;
    this.call = call;
  }

  CompletableFuture<R> future() {
    return future;
  }

  void start() {
    // Also where the application cancels the future.
    future.whenComplete((result, error) -> abandonAll());
    Backend backend = client.balancer.choose(call);
    begin(backend);
    if (client.hedges() && client.hedgeAfterNanos() < call.deadline.remainingNanos()) {
      client.workers.runAfter(client.hedgeAfterNanos(), () -> hedge(backend));
    }
  }

  private void hedge(Backend slow) {
    if (future.isDone()) {
      return;
    }
    call.visited(slow, System.nanoTime());
    Backend other = client.balancer.chooseFresh(call);
    if (other != null && client.budget.tryTake()) {
      begin(other);
    }
  }

  private void begin(Backend backend) {
    synchronized (this) {
      running++;
    }
    attempt(backend);
  }

  private void attempt(Backend backend) {
    Attempt<R> attempt = new Attempt<>(client, call, backend);
    Connection ready = call.request.approximateBytes() <= SMALL_BYTES
        ? backend.connections().tryShare()
        : null;
    if (ready != null) {
      send(attempt, ready);
    } else {
      client.workers.run(() -> acquireAndSend(attempt));
    }
  }

  private void acquireAndSend(Attempt<R> attempt) {
    try {
      if (call.deadline.hasPassed()) {
        throw new ConnectionPool.BusyException();
      }
      send(attempt, attempt.acquire());
    } catch (IOException failure) {
      failed(attempt.failed(failure));
    }
  }

  private void send(Attempt<R> attempt, Connection connection) {
    try {
      OutgoingMessage message = attempt.message(connection);
      Exchange exchange = new AsyncExchange(attempt, connection, message);
      synchronized (this) {
        sent.add(new Sent<>(attempt, connection, exchange));
      }
      connection.start(exchange);
    } catch (IOException | TException failure) {
      failed(attempt.failed(failure));
    } catch (IllegalArgumentException invalid) {
      attempt.left();
      future.completeExceptionally(invalid);
    }
  }

  /** An exchange whose outcome is dealt with by a worker. */
  private final class AsyncExchange extends Exchange {
    private final Attempt<R> attempt;
    private final Connection connection;

    AsyncExchange(Attempt<R> attempt, Connection connection, OutgoingMessage message) {
      super(call.request.method, attempt.sequence(), message, call.deadline);
      this.attempt = attempt;
      this.connection = connection;
    }

    @Override
    boolean hasCaller() {
      return false;
    }

    @Override
    void settled() {
      client.workers.run(() -> finish(this));
    }
  }

  private void finish(AsyncExchange exchange) {
    try {
      R result = exchange.attempt.finish(exchange.connection, exchange.reply());
      if (isFirstToEnd()) {
        client.ended(call, null);
        future.complete(result);
      }
    } catch (IOException | TException failure) {
      failed(exchange.attempt.failed(failure));
    } catch (RuntimeException defect) {
      future.completeExceptionally(defect);
    }
  }

  /** True once, for the attempt that decides; the observer hears of it before the caller does. */
  private boolean isFirstToEnd() {
    return !future.isDone() && over.compareAndSet(false, true);
  }

  private void failed(ThriftscoreException failure) {
    long pause = future.isDone() ? Retries.NEVER : client.retries.pauseNanos(call, failure);
    if (pause != Retries.NEVER) {
      client.workers.runAfter(pause, () -> attempt(client.balancer.choose(call)));
      return;
    }
    boolean last;
    synchronized (this) {
      running--;
      last = running == 0;
    }
    // Where another attempt is under way, its answer may still be a good one.
    if (last && isFirstToEnd()) {
      client.ended(call, failure);
      future.completeExceptionally(failure);
    }
  }

  private void abandonAll() {
    List<Sent<R>> all;
    synchronized (this) {
      all = List.copyOf(sent);
    }
    for (Sent<R> one : all) {
      if (one.connection.abandon(one.exchange)) {
        one.attempt.left();
      }
    }
  }
}
