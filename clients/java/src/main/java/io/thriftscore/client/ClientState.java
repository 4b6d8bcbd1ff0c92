// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What all calls of a client share. Thread-safe. */
final class ClientState implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ThriftscoreClient.class);
  private static final int STRIDE_MIN = 1 << 16;

  final ClientOptions options;
  final Workers workers = new Workers();
  final Directory directory;
  final Balancer balancer;
  final RetryBudget budget = new RetryBudget();
  final Retries retries;
  final LatencyWindow latencies = new LatencyWindow();
  final Requests requests;

  private final List<Endpoint> endpoints;
  private final AtomicInteger sequence = new AtomicInteger();
  // Odd, so that every number comes before one comes again.
  private final int stride =
      ThreadLocalRandom.current().nextInt(STRIDE_MIN, 2 * STRIDE_MIN) | 1;
  private volatile boolean closed;

  ClientState(List<Endpoint> endpoints, ClientOptions options, Directory.Resolver resolver) {
    if (options.tls() != null && endpoints.stream().anyMatch(Endpoint::isUnix)) {
      throw new IllegalArgumentException("TLS is for host:port, not for Unix sockets");
    }
    this.endpoints = endpoints;
    this.options = options;
    this.directory = new Directory(endpoints, options, workers, resolver);
    this.balancer = new Balancer(directory);
    this.retries = new Retries(options, balancer, budget);
    this.requests = new Requests(new MessageCodec(options.protocol(), options.frameBytesMax()));
  }

  /** Looks the endpoints up and connects to the first that answers. */
  void connect() {
    Deadline deadline = Deadline.after(options.connectTimeout());
    CallSite site = new CallSite(endpoints.toString(), "connect", "", 1);
    IOException failure = null;
    lookUp(site);
    for (Backend backend : directory.backends()) {
      site = new CallSite(backend.name(), "connect", "", 1);
      try {
        backend.connections().connect(deadline);
        return;
      } catch (IOException next) {
        if (failure != null) {
          next.addSuppressed(failure);
        }
        failure = next;
      }
    }
    throw new TransportException.ConnectFailed(site, failure);
  }

  /** Begins a call. */
  <R> CallProgress<R> begin(Request<R> request) {
    if (closed) {
      throw new IllegalStateException("the client of " + endpoints + " is closed");
    }
    budget.earn();
    CallProgress<R> call = new CallProgress<>(request, options);
    if (directory.backends().length == 0) {
      lookUp(call.site(endpoints.toString(), 1));
    }
    return call;
  }

  /** Looks the endpoints up for the first call; later look-ups are nobody's to wait for. */
  private void lookUp(CallSite site) {
    try {
      directory.lookUp();
    } catch (IOException unknown) {
      throw new TransportException.ConnectFailed(site, unknown);
    }
  }

  /**
   * Unique among the calls of a client until 2^32 of them later, and far from those around it: a
   * reply whose number is slightly wrong answers no call rather than another one.
   */
  int nextSequence() {
    return sequence.addAndGet(stride);
  }

  /** True if calls are tried at a second server when the first is slow. */
  boolean hedges() {
    return !options.hedgeAfter().isZero() && directory.backends().length > 1;
  }

  /** How long the first attempt may take before there is a second one. */
  long hedgeAfterNanos() {
    Duration after = options.hedgeAfter();
    return after.equals(ClientOptions.P95) ? latencies.p95Nanos() : after.toNanos();
  }

  /** Tells who wants to know that a call has ended. */
  void ended(CallProgress<?> call, ThriftscoreException error) {
    long nanos = System.nanoTime() - call.startedAt;
    if (error == null && options.hedgeAfter().equals(ClientOptions.P95)) {
      latencies.add(nanos);
    }
    if (options.observer() != null) {
      var request = call.request;
      var event =
          new CallObserver.Call(
              request.method, request.model, call.attempts(), Duration.ofNanos(nanos), error);
      observe(observer -> observer.onCall(event));
    }
  }

  void observe(Consumer<CallObserver> event) {
    try {
      event.accept(options.observer());
    } catch (RuntimeException fault) {
      LOG.warn("the observer failed", fault);
    }
  }

  @Override
  public void close() {
    closed = true;
    directory.close();
    workers.close();
  }
}
