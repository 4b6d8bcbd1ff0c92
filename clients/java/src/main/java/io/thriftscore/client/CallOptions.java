// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;
import java.util.Objects;

/**
 * What may differ from call to call. Immutable; start from {@link #DEFAULT} and use the {@code
 * with} methods.
 *
 * @param version version number ("3") or label ("stable"); empty = the model's default version
 * @param requestId chosen by the caller, at most 128 bytes of UTF-8, named in the server's log and
 *     echoed in the reply; empty = none
 * @param timeout time for the whole call; zero = the client's
 * @param traceparent W3C Trace Context of the caller's span; empty = none
 */
public record CallOptions(
    String version, String requestId, Duration timeout, String traceparent) {

  /** The default version, no request id, the client's timeout, no trace. */
  public static final CallOptions DEFAULT = new CallOptions("", "", Duration.ZERO, "");

  /**
   * Checks the values.
   *
   * @throws IllegalArgumentException if the timeout is neither zero nor in the range of {@link
   *     ClientOptions#timeout()}
   */
  public CallOptions {
    Objects.requireNonNull(version, "version");
    Objects.requireNonNull(requestId, "requestId");
    Objects.requireNonNull(traceparent, "traceparent");
    if (!timeout.isZero()) {
      Deadline.requireInRange("timeout", timeout);
    }
  }

  /**
   * The same options for another version.
   *
   * @param value see {@link #version()}
   * @return the changed copy
   */
  public CallOptions withVersion(String value) {
    return new CallOptions(value, requestId, timeout, traceparent);
  }

  /**
   * The same options with another request id.
   *
   * @param value see {@link #requestId()}
   * @return the changed copy
   */
  public CallOptions withRequestId(String value) {
    return new CallOptions(version, value, timeout, traceparent);
  }

  /**
   * The same options with another timeout.
   *
   * @param value see {@link #timeout()}
   * @return the changed copy
   */
  public CallOptions withTimeout(Duration value) {
    return new CallOptions(version, requestId, value, traceparent);
  }

  /**
   * The same options in another trace.
   *
   * @param value see {@link #traceparent()}
   * @return the changed copy
   */
  public CallOptions withTraceparent(String value) {
    return new CallOptions(version, requestId, timeout, value);
  }
}
