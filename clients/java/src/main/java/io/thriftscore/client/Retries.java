// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Decides whether and when a call that failed is tried again. Thread-safe. */
final class Retries {
  /** No further attempt. */
  static final long NEVER = -1;

  private static final Logger LOG = LoggerFactory.getLogger(ThriftscoreClient.class);

  private final ClientOptions options;
  private final Balancer balancer;
  private final RetryBudget budget;

  Retries(ClientOptions options, Balancer balancer, RetryBudget budget) {
    this.options = options;
    this.balancer = balancer;
    this.budget = budget;
  }

  /** Nanoseconds until the next attempt, or NEVER. */
  long pauseNanos(CallProgress<?> call, ThriftscoreException failure) {
    if (call.attempts() >= options.attemptsMax() || !isWorthIt(failure)) {
      return NEVER;
    }
    boolean elsewhere = balancer.hasFresh(call);
    long pause = elsewhere ? 0 : pauseBeforeSameServer(call);
    if (pause >= call.deadline.remainingNanos()) {
      return NEVER;
    }
    // Where nothing could be sent, no server has the load of another attempt.
    boolean free = failure instanceof TransportException.ConnectFailed && elsewhere;
    if (!free && !budget.tryTake()) {
      LOG.debug("the budget for retries is used up: {}", failure.getMessage());
      return NEVER;
    }
    LOG.debug("trying again in {} us: {}", pause / 1000, failure.getMessage());
    return pause;
  }

  private static boolean isWorthIt(ThriftscoreException failure) {
    return failure.retryable()
        && !(failure instanceof TransportException.CallTimedOut)
        && !Thread.currentThread().isInterrupted();
  }

  /** Exponential backoff with full jitter, and no sooner than a server asked for. */
  private long pauseBeforeSameServer(CallProgress<?> call) {
    double longest =
        options.backoffBase().toNanos() * Math.pow(2, Math.min(call.attempts() - 1, 30));
    long backoff = (long) Math.min(longest, options.backoffMax().toNanos());
    long jittered = ThreadLocalRandom.current().nextLong(backoff + 1);
    return Math.max(jittered, balancer.mayVisitAt(call) - System.nanoTime());
  }
}
