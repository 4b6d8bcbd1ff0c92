// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/**
 * A call that brought no result: the server refused it ({@link ServerException}) or no valid answer
 * came in time ({@link TransportException}). The message names the method, the model, the
 * endpoint and the attempt. Arguments that cannot be sent at all are {@link
 * IllegalArgumentException}s instead.
 */
public abstract sealed class ThriftscoreException extends RuntimeException
    permits ServerException, TransportException {
  private static final long serialVersionUID = 1L;

  /** The server's address. */
  private final String endpoint;

  /** The model called. */
  private final String model;

  /** The attempt that failed. */
  private final int attempts;

  ThriftscoreException(CallSite site, String reason, Throwable cause) {
    super(site + ": " + reason, cause);
    this.endpoint = site.endpoint();
    this.model = site.model();
    this.attempts = site.attempt();
  }

  /**
   * The server that was called last.
   *
   * @return its address, as host:port or unix:/path
   */
  public String endpoint() {
    return endpoint;
  }

  /**
   * The model that was called.
   *
   * @return its name; empty where the method names no model
   */
  public String model() {
    return model;
  }

  /**
   * How often the call was tried.
   *
   * @return 1 or more
   */
  public int attempts() {
    return attempts;
  }

  /**
   * Whether the same call may succeed later or at another server.
   *
   * @return true if a retry may help
   */
  public abstract boolean retryable();
}
