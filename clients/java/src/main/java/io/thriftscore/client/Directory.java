// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The backends that the endpoints stand for, looked up again as time goes on. Thread-safe. */
final class Directory {
  private static final Logger LOG = LoggerFactory.getLogger(ThriftscoreClient.class);

  /** Calls that fail to connect ask for a look-up; the resolver gets so much peace in between. */
  private static final long LOOKUP_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** What a name stands for. */
  interface Resolver {
    List<SocketAddress> resolve(Endpoint endpoint) throws UnknownHostException;
  }

  private final List<Endpoint> endpoints;
  private final ClientOptions options;
  private final Workers workers;
  private final Resolver resolver;
  private final AtomicBoolean lookupPlanned = new AtomicBoolean();

  // Written under the lock of this object.
  private final Map<Endpoint, Map<SocketAddress, Backend>> known = new HashMap<>();
  private volatile Backend[] backends = {};
  private volatile long lookedUpAt;
  private boolean closed;

  Directory(List<Endpoint> endpoints, ClientOptions options, Workers workers, Resolver resolver) {
    this.endpoints = endpoints;
    this.options = options;
    this.workers = workers;
    this.resolver = resolver;
    long interval = options.resolveInterval().toNanos();
    workers.runEvery(interval, this::lookUpQuietly);
    workers.runEvery(TimeUnit.SECONDS.toNanos(1), this::evict);
  }

  /** Those in use at present, in an array that is never changed; none before a look-up. */
  Backend[] backends() {
    return backends;
  }

  /** Fails only if no endpoint has an address. */
  synchronized void lookUp() throws IOException {
    lookedUpAt = System.nanoTime();
    List<Backend> found = new ArrayList<>();
    IOException unknown = null;
    for (Endpoint endpoint : endpoints) {
      try {
        update(endpoint, resolver.resolve(endpoint));
      } catch (UnknownHostException failure) {
        // What was known before stays: the resolver may be out of order, not the server.
        unknown = new IOException("unknown host " + endpoint.host(), failure);
        LOG.warn("endpoint {} cannot be looked up: {}", endpoint, failure.getMessage());
      }
      found.addAll(known.getOrDefault(endpoint, Map.of()).values());
    }
    backends = closed ? backends : found.toArray(Backend[]::new);
    if (found.isEmpty()) {
      throw unknown;
    }
  }

  private void update(Endpoint endpoint, List<SocketAddress> addresses) {
    Map<SocketAddress, Backend> former = known.getOrDefault(endpoint, Map.of());
    Map<SocketAddress, Backend> current = new HashMap<>();
    for (SocketAddress address : addresses) {
      Backend backend = former.get(address);
      current.put(
          address,
          backend == null ? new Backend(endpoint, address, options, workers) : backend);
    }
    known.put(endpoint, current);
    former.forEach(
        (address, backend) -> {
          if (!current.containsKey(address)) {
            LOG.info("endpoint {} is gone", backend.name());
            workers.run(backend.connections()::close);
          }
        });
  }

  private void lookUpQuietly() {
    try {
      lookUp();
    } catch (IOException unknown) {
      LOG.warn("no endpoint has an address: {}", unknown.getMessage());
    }
  }

  /** Looks names up again, off the calling path: a server may have moved. */
  void lookUpSoon() {
    if (System.nanoTime() - lookedUpAt > LOOKUP_PAUSE_NANOS
        && lookupPlanned.compareAndSet(false, true)) {
      workers.run(
          () -> {
            lookupPlanned.set(false);
            lookUpQuietly();
          });
    }
  }

  private void evict() {
    for (Backend backend : backends) {
      backend.connections().evict();
    }
  }

  /** Waits for the calls in progress. */
  void close() {
    synchronized (this) {
      closed = true;
    }
    for (Backend backend : backends) {
      backend.connections().close();
    }
  }
}
