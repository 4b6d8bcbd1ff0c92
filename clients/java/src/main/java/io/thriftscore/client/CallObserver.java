// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;

/**
 * Is told of what a client does, for metrics and traces. Called by the thread that made the call,
 * or by one of the client's, so an observer must be thread-safe and quick. What it throws is logged
 * and otherwise ignored.
 */
public interface CallObserver {

  /**
   * A call has ended.
   *
   * @param call what it was and how it ended
   */
  default void onCall(Call call) {}

  /**
   * An attempt of a call has ended; there are several where the call was retried or hedged.
   *
   * @param attempt what it was and how it ended
   */
  default void onAttempt(Attempt attempt) {}

  /**
   * A call that has ended.
   *
   * @param method its name in the contract, such as score_sparse
   * @param model the model's name; empty where the method names none
   * @param attempts how often it was tried
   * @param duration from its start to its result, pauses included
   * @param error how it failed; null if it succeeded
   */
  record Call(
      String method, String model, int attempts, Duration duration, ThriftscoreException error) {}

  /**
   * An attempt that has ended.
   *
   * @param method as in {@link Call}
   * @param model as in {@link Call}
   * @param number 1 for the first of its call
   * @param duration from choosing the endpoint to the reply
   * @param endpoint where it was made
   * @param error how it failed; null if it succeeded
   */
  record Attempt(
      String method,
      String model,
      int number,
      Duration duration,
      String endpoint,
      ThriftscoreException error) {}
}
