// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.concurrent.CompletableFuture;

/** Makes calls that no thread waits for. Thread-safe. */
final class AsyncCaller {
  private final ClientState client;

  AsyncCaller(ClientState client) {
    this.client = client;
  }

  <R> CompletableFuture<R> call(Request<R> request) {
    AsyncCall<R> call = new AsyncCall<>(client, client.begin(request));
    call.start();
    return call.future();
  }
}
