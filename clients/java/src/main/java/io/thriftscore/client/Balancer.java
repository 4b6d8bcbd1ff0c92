// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.concurrent.ThreadLocalRandom;

/**
 * Chooses the backend of an attempt: one that is due for a probe; else the cheaper of two taken at
 * random of those in service that the call has not tried yet; else one that it has tried; else of
 * those out of service one that it has not tried, or that is due back first. Thread-safe.
 */
final class Balancer {
  private final Directory directory;

  Balancer(Directory directory) {
    this.directory = directory;
  }

  Backend choose(CallProgress<?> call) {
    Backend[] all = directory.backends();
    if (all.length == 1) {
      return all[0];
    }
    long now = System.nanoTime();
    Backend chosen = probe(all, call, now);
    if (chosen == null) {
      chosen = cheaperOfTwo(all, call, now);
    }
    return chosen == null ? firstBack(all, call, now) : chosen;
  }

  /** A backend in service that the call has not tried, or null. */
  Backend chooseFresh(CallProgress<?> call) {
    return cheaperOfTwo(directory.backends(), call, System.nanoTime());
  }

  boolean hasFresh(CallProgress<?> call) {
    return from(directory.backends(), call, 0) != null;
  }

  /** When the first backend may be asked again by this call. */
  long mayVisitAt(CallProgress<?> call) {
    Backend[] all = directory.backends();
    long first = call.mayVisitAt(all[0]);
    for (Backend backend : all) {
      long at = call.mayVisitAt(backend);
      first = at - first < 0 ? at : first;
    }
    return first;
  }

  private static Backend probe(Backend[] all, CallProgress<?> call, long now) {
    for (Backend backend : all) {
      if (!backend.isInService() && !call.hasVisited(backend) && backend.mayProbe(now)) {
        return backend;
      }
    }
    return null;
  }

  private static Backend cheaperOfTwo(Backend[] all, CallProgress<?> call, long now) {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    int start = random.nextInt(all.length);
    Backend first = from(all, call, start);
    // Another than the start, so that of two backends both are compared.
    Backend second =
        all.length == 1 ? first : from(all, call, start + 1 + random.nextInt(all.length - 1));
    return first == second || first.cost(now) <= second.cost(now) ? first : second;
  }

  /** The first from `start` on, around the array, that is fresh to the call; or null. */
  private static Backend from(Backend[] all, CallProgress<?> call, int start) {
    for (int step = 0; step < all.length; step++) {
      Backend backend = all[(start + step) % all.length];
      if (backend.isInService() && !call.hasVisited(backend)) {
        return backend;
      }
    }
    return null;
  }

  /**
   * The one that may be asked soonest, ejected or not: in service before others, and of others one
   * that has not just failed this call, which may be back already.
   */
  private static Backend firstBack(Backend[] all, CallProgress<?> call, long now) {
    Backend best = all[0];
    for (Backend backend : all) {
      int preference = Integer.compare(reluctance(backend, call), reluctance(best, call));
      if (preference < 0 || preference == 0 && wait(backend, call, now) < wait(best, call, now)) {
        best = backend;
      }
    }
    return best;
  }

  private static int reluctance(Backend backend, CallProgress<?> call) {
    if (backend.isInService()) {
      return 0;
    }
    return call.hasVisited(backend) ? 2 : 1;
  }

  private static long wait(Backend backend, CallProgress<?> call, long now) {
    long visit = Math.max(0, call.mayVisitAt(backend) - now);
    return backend.isInService() ? visit : Math.max(visit, backend.returnsAt() - now) + 1;
  }
}
