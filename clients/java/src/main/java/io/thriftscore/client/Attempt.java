// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ScoringError;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.time.Duration;
import org.apache.thrift.TException;

/**
 * One attempt of a call at one backend: makes the exchange, reads its reply, and tells everyone how
 * it ended. The one place that maps foreign errors.
 */
final class Attempt<R> {
  /** Where other servers could be asked, so large a part of the time left goes into connecting. */
  private static final int CONNECT_SHARE = 3;

  final Backend backend;
  private final ClientState client;
  private final CallProgress<R> call;
  private final int number;
  private final long startedAt = System.nanoTime();
  private final int sequence;
  private boolean connecting = true;

  Attempt(ClientState client, CallProgress<R> call, Backend backend) {
    this.client = client;
    this.call = call;
    this.backend = backend;
    this.number = call.nextAttempt();
    this.sequence = client.nextSequence();
    backend.started();
  }

  /** Makes the attempt in this thread. */
  R run() {
    try {
      if (Thread.currentThread().isInterrupted()) {
        throw new ClosedByInterruptException();
      }
      Connection connection = acquire();
      Exchange exchange = exchange(connection);
      return finish(connection, connection.call(exchange));
    } catch (IOException | TException failure) {
      throw failed(failure);
    } catch (IllegalArgumentException invalid) {
      left();
      throw invalid;
    }
  }

  /** Waits for a connection to make the exchange on. */
  Connection acquire() throws IOException {
    Connection ready = backend.connections().tryAcquire();
    return ready == null ? acquireLater() : ready;
  }

  private Connection acquireLater() throws IOException {
    Deadline connected = call.deadline.orEarlier(Deadline.after(client.options.connectTimeout()));
    if (client.directory.backends().length > 1) {
      long share = call.deadline.remainingNanos() / CONNECT_SHARE;
      connected = connected.orEarlier(Deadline.afterNanos(share));
    }
    return backend.connections().acquire(call.deadline, connected);
  }

  private Exchange exchange(Connection connection) throws TException {
    return new Exchange(call.request.method, sequence, message(connection), call.deadline);
  }

  /** The request for a connection that was acquired; gives the connection back if there is none. */
  OutgoingMessage message(Connection connection) throws TException {
    connecting = false;
    boolean made = false;
    try {
      CallContext context =
          new CallContext(
              call.deadline.remainingMillis(),
              call.request.options.requestId(),
              call.traceparent,
              client.options.authToken());
      OutgoingMessage message = call.request.message(sequence, context);
      made = true;
      return message;
    } finally {
      if (!made) {
        backend.connections().released(connection);
      }
    }
  }

  int sequence() {
    return sequence;
  }

  /** The result of the reply. A connection that carried nonsense is closed. */
  R finish(Connection connection, byte[] reply) throws IOException, TException {
    try {
      R result = call.request.read(reply, sequence);
      ended(null);
      return result;
    } catch (ScoringError answer) {
      throw answer;
    } catch (TException | IOException nonsense) {
      connection.close(new IOException("another call on it had an invalid reply", nonsense));
      throw nonsense;
    }
  }

  /** The attempt ended without telling anything about the backend. */
  void left() {
    backend.ended();
    backend.probeLeft();
  }

  ThriftscoreException failed(Exception failure) {
    ThriftscoreException error = translated(failure);
    long againAt = System.nanoTime();
    if (error instanceof ServerException answer) {
      againAt += answer.retryAfter().toNanos();
    }
    call.visited(backend, againAt);
    ended(error);
    return error;
  }

  private ThriftscoreException translated(Exception failure) {
    CallSite site = call.site(backend.name(), number);
    if (failure instanceof ScoringError answer) {
      return ServerException.of(site, answer);
    }
    if (failure instanceof ClosedByInterruptException || Thread.currentThread().isInterrupted()) {
      return new TransportException.ConnectionLost(
          site, new IOException("the calling thread was interrupted", failure));
    }
    if (failure instanceof ConnectionPool.BusyException busy) {
      return new TransportException.CallTimedOut(site, busy.getMessage(), busy);
    }
    if (connecting) {
      return new TransportException.ConnectFailed(site, failure);
    }
    if (failure instanceof ProtocolException || failure instanceof TException) {
      return new TransportException.ProtocolViolation(site, failure);
    }
    if (failure instanceof SocketTimeoutException || call.deadline.hasPassed()) {
      return call.timedOut(site, failure);
    }
    return new TransportException.ConnectionLost(site, failure);
  }

  private void ended(ThriftscoreException error) {
    long nanos = System.nanoTime() - startedAt;
    backend.ended();
    if (error == null) {
      backend.answered(nanos);
    } else {
      blame(error, nanos);
    }
    if (client.options.observer() != null) {
      var request = call.request;
      var event =
          new CallObserver.Attempt(
              request.method,
              request.model,
              number,
              Duration.ofNanos(nanos),
              backend.name(),
              error);
      client.observe(observer -> observer.onAttempt(event));
    }
  }

  private void blame(ThriftscoreException error, long nanos) {
    if (error instanceof ServerException.Unavailable) {
      backend.eject(error);
    } else if (error instanceof ServerException) {
      backend.refused(error.retryable() ? 0 : nanos);
    } else if (Thread.currentThread().isInterrupted()
        || error.getCause() instanceof ConnectionPool.BusyException) {
      backend.probeLeft();
    } else if (error instanceof TransportException.ConnectFailed) {
      backend.eject(error);
      client.directory.lookUpSoon();
    } else {
      backend.failed(nanos, error);
    }
  }
}
