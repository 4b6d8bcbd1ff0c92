// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.ScoringError;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.TFieldIdEnum;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;

/**
 * Makes calls one after another on one connection, and replaces the connection when it can no
 * longer be trusted. The one place that maps foreign errors. Thread-safe.
 */
final class Session implements AutoCloseable {
  private static final int SUCCESS_FIELD = 0;
  private static final int ERROR_FIELD = 1;

  private final Endpoint endpoint;
  private final ClientOptions options;
  private final MessageCodec codec;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock. The connection is null until the next call opens one. Sequence numbers go
  // on from connection to connection, so that no two calls of a session share one.
  private Connection connection;
  private int sequence;
  private boolean closed;

  Session(Endpoint endpoint, ClientOptions options) {
    this.endpoint = endpoint;
    this.options = options;
    this.codec = new MessageCodec(options.protocol(), options.frameBytesMax());
  }

  /** Opens the connection ahead of the first call. */
  void connect() {
    lock.lock();
    try {
      requireConnection(
          new CallSite(endpoint, "connect", ""), Deadline.after(options.connectTimeout()));
    } finally {
      lock.unlock();
    }
  }

  /** Makes one call; `reply` is a fresh generated result struct. */
  <T extends TBase<T, F>, F extends TFieldIdEnum, R> R call(
      Call call, T reply, ReplyReader<T, R> reader) {
    Deadline deadline = Deadline.after(call.timeout());
    CallSite site = new CallSite(endpoint, call.method(), call.model());
    lock(site, deadline);
    try {
      requireConnection(site, deadline);
      boolean reusable = false;
      try {
        exchange(call, reply, deadline);
        R result = reader.read(reply);
        reusable = true;
        return result;
      } catch (ScoringError error) {
        reusable = true;
        throw ServerException.of(site, error);
      } catch (IOException | TException failure) {
        throw failed(site, call, failure);
      } finally {
        if (!reusable) {
          disconnect();
        }
      }
    } finally {
      lock.unlock();
    }
  }

  /** Sends the request and fills `reply`, which then holds a result; throws a declared error. */
  private <T extends TBase<T, F>, F extends TFieldIdEnum> void exchange(
      Call call, T reply, Deadline deadline) throws IOException, TException {
    TMessage message = new TMessage(call.method(), TMessageType.CALL, ++sequence);
    connection.send(codec.encode(message, call.arguments().apply(deadline)), deadline);
    byte[] frame = connection.receive(deadline);
    try {
      codec.decode(frame, message, reply);
    } catch (TApplicationException refusal) {
      throw translated(call, refusal);
    }
    F error = reply.fieldForId(ERROR_FIELD);
    if (reply.isSet(error)) {
      throw (ScoringError) reply.getFieldValue(error);
    }
    if (!reply.isSet(reply.fieldForId(SUCCESS_FIELD))) {
      throw new ProtocolException("it has neither a result nor an error");
    }
  }

  /** An unknown method is an answer like any other; other refusals leave nothing to rely on. */
  private static TException translated(Call call, TApplicationException refusal) {
    if (refusal.getType() != TApplicationException.UNKNOWN_METHOD) {
      return refusal;
    }
    return new ScoringError()
        .setCode(ErrorCode.UNIMPLEMENTED)
        .setMessage("the server has no method " + call.method());
  }

  private void lock(CallSite site, Deadline deadline) {
    try {
      if (!lock.tryLock(deadline.remainingNanos(), TimeUnit.NANOSECONDS)) {
        throw new TransportException.CallTimedOut(
            site, "timed out while other calls of this client went first", null);
      }
    } catch (InterruptedException interruption) {
      Thread.currentThread().interrupt();
      throw new TransportException.ConnectionLost(site, interrupted(interruption));
    }
  }

  private void requireConnection(CallSite site, Deadline deadline) {
    if (closed) {
      throw new IllegalStateException("the client of " + endpoint + " is closed");
    }
    if (connection != null && connection.isIdle()) {
      return;
    }
    disconnect();
    Deadline connected = deadline.orEarlier(Deadline.after(options.connectTimeout()));
    try {
      connection = Connection.open(endpoint, options.frameBytesMax(), connected);
    } catch (IOException failure) {
      throw new TransportException.ConnectFailed(
          site, failure instanceof ClosedByInterruptException ? interrupted(failure) : failure);
    }
  }

  private ThriftscoreException failed(CallSite site, Call call, Exception failure) {
    if (failure instanceof SocketTimeoutException) {
      String reason = "timed out after " + call.timeout().toMillis() + " ms";
      return new TransportException.CallTimedOut(site, reason, failure);
    }
    if (failure instanceof ClosedByInterruptException) {
      return new TransportException.ConnectionLost(site, interrupted(failure));
    }
    if (failure instanceof ProtocolException || failure instanceof TException) {
      return new TransportException.ProtocolViolation(site, failure);
    }
    return new TransportException.ConnectionLost(site, failure);
  }

  private static IOException interrupted(Exception cause) {
    return new IOException("the calling thread was interrupted", cause);
  }

  private void disconnect() {
    if (connection != null) {
      connection.close();
      connection = null;
    }
  }

  /** Waits for the call in progress. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      disconnect();
    } finally {
      lock.unlock();
    }
  }
}
