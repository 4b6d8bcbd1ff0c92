// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** Makes calls in the thread that asks for them. Thread-safe. */
final class BlockingCaller {
  private final ClientState client;
  private final AsyncCaller hedged;

  BlockingCaller(ClientState client, AsyncCaller hedged) {
    this.client = client;
    this.hedged = hedged;
  }

  <R> R call(Request<R> request) {
    if (client.hedges()) {
      return join(request.method, request.model, hedged.call(request));
    }
    CallProgress<R> call = client.begin(request);
    while (true) {
      try {
        R result = new Attempt<>(client, call, client.balancer.choose(call)).run();
        client.ended(call, null);
        return result;
      } catch (ThriftscoreException failure) {
        long pause = client.retries.pauseNanos(call, failure);
        if (pause == Retries.NEVER || !sleeps(pause)) {
          client.ended(call, failure);
          throw failure;
        }
      }
    }
  }

  /** False if the thread was interrupted, which it then still is. */
  private static boolean sleeps(long nanos) {
    try {
      TimeUnit.NANOSECONDS.sleep(nanos);
      return true;
    } catch (InterruptedException interruption) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Waits for a call with several attempts, which end by its deadline. */
  static <R> R join(String method, String model, CompletableFuture<R> future) {
    try {
      return future.get();
    } catch (ExecutionException failure) {
      throw rethrown(failure.getCause());
    } catch (InterruptedException interruption) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      throw new TransportException.ConnectionLost(
          new CallSite("several endpoints", method, model, 1),
          new IOException("the calling thread was interrupted", interruption));
    }
  }

  private static RuntimeException rethrown(Throwable cause) {
    if (cause instanceof RuntimeException unchecked) {
      return unchecked;
    }
    throw (Error) cause;
  }
}
