// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.ArrayList;
import java.util.List;

/**
 * Where one call stands: what has been tried, and until when it may go on. Attempts of a hedged
 * call end in different threads, so it is thread-safe.
 */
final class CallProgress<R> {
  final Request<R> request;
  final Deadline deadline;
  final long timeoutMillis;
  final long startedAt = System.nanoTime();
  final String traceparent;

  /** A backend that failed this call, and from when on it may be asked again. */
  private record Visit(Backend backend, long againAt) {}

  // Guarded by the lock of this object. Most calls never need a list.
  private List<Visit> visits = List.of();
  private int attempts;

  CallProgress(Request<R> request, ClientOptions options) {
    this.request = request;
    var own = request.options.timeout();
    var timeout = own.isZero() ? options.timeout() : own;
    this.deadline = Deadline.after(timeout);
    this.timeoutMillis = timeout.toMillis();
    String given = request.options.traceparent();
    this.traceparent = given.isEmpty() ? CurrentTrace.traceparent() : given;
  }

  /** Counts an attempt and returns its number. */
  synchronized int nextAttempt() {
    return ++attempts;
  }

  synchronized int attempts() {
    return attempts;
  }

  synchronized void visited(Backend backend, long againAt) {
    if (visits.isEmpty()) {
      visits = new ArrayList<>();
    }
    visits.add(new Visit(backend, againAt));
  }

  synchronized boolean hasVisited(Backend backend) {
    return visits.stream().anyMatch(visit -> visit.backend == backend);
  }

  /** When the backend may be asked again; in the past where nothing was said. */
  synchronized long mayVisitAt(Backend backend) {
    long at = startedAt;
    for (Visit visit : visits) {
      at = visit.backend == backend && visit.againAt - at > 0 ? visit.againAt : at;
    }
    return at;
  }

  CallSite site(String endpoint, int attempt) {
    return new CallSite(endpoint, request.method, request.model, attempt);
  }

  ThriftscoreException timedOut(CallSite site, Throwable cause) {
    return new TransportException.CallTimedOut(
        site, "timed out after " + timeoutMillis + " ms", cause);
  }
}
