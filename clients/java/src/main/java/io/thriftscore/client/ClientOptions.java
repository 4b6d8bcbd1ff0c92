// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;
import java.util.Objects;

/**
 * How a client talks to its server. Immutable; start from {@link #DEFAULT} and use the {@code with}
 * methods.
 *
 * @param timeout time for a whole call, connecting included: 1 ms to 2^31 - 1 ms
 * @param connectTimeout time for connecting alone; the call's timeout still holds. The system's
 *     resolver of host names keeps its own time: give an address where that matters
 * @param protocol encoding of the messages
 * @param frameBytesMax largest request and largest reply, in bytes
 * @param authToken bearer token sent with each request that has a context; empty = none
 */
public record ClientOptions(
    Duration timeout,
    Duration connectTimeout,
    WireProtocol protocol,
    int frameBytesMax,
    String authToken) {

  /** 1 s for a call and for connecting, binary protocol, frames to 16,384,000 bytes, no token. */
  public static final ClientOptions DEFAULT =
      new ClientOptions(
          Duration.ofSeconds(1), Duration.ofSeconds(1), WireProtocol.BINARY, 16_384_000, "");

  /**
   * Checks the values.
   *
   * @throws IllegalArgumentException if a timeout or the frame limit is out of range
   */
  public ClientOptions {
    Deadline.requireInRange("timeout", timeout);
    Deadline.requireInRange("connectTimeout", connectTimeout);
    Objects.requireNonNull(protocol, "protocol");
    Objects.requireNonNull(authToken, "authToken");
    if (frameBytesMax < 1) {
      throw new IllegalArgumentException(
          "frameBytesMax must be 1 or more, received " + frameBytesMax);
    }
  }

  /**
   * The same options with another call timeout.
   *
   * @param value see {@link #timeout()}
   * @return the changed copy
   */
  public ClientOptions withTimeout(Duration value) {
    return new ClientOptions(value, connectTimeout, protocol, frameBytesMax, authToken);
  }

  /**
   * The same options with another connect timeout.
   *
   * @param value see {@link #connectTimeout()}
   * @return the changed copy
   */
  public ClientOptions withConnectTimeout(Duration value) {
    return new ClientOptions(timeout, value, protocol, frameBytesMax, authToken);
  }

  /**
   * The same options with another protocol.
   *
   * @param value see {@link #protocol()}
   * @return the changed copy
   */
  public ClientOptions withProtocol(WireProtocol value) {
    return new ClientOptions(timeout, connectTimeout, value, frameBytesMax, authToken);
  }

  /**
   * The same options with another frame limit.
   *
   * @param value see {@link #frameBytesMax()}
   * @return the changed copy
   */
  public ClientOptions withFrameBytesMax(int value) {
    return new ClientOptions(timeout, connectTimeout, protocol, value, authToken);
  }

  /**
   * The same options with another token.
   *
   * @param value see {@link #authToken()}
   * @return the changed copy
   */
  public ClientOptions withAuthToken(String value) {
    return new ClientOptions(timeout, connectTimeout, protocol, frameBytesMax, value);
  }

  /** Leaves the token out, so that options may be logged. */
  @Override
  public String toString() {
    return String.format(
        "ClientOptions[timeout=%s, connectTimeout=%s, protocol=%s, frameBytesMax=%d, authToken=%s]",
        timeout, connectTimeout, protocol, frameBytesMax, authToken.isEmpty() ? "none" : "set");
  }
}
