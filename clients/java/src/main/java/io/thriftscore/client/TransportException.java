// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/**
 * No valid answer came. The connection takes no more calls; others take its place. All calls of
 * this client only read, so each may be sent again.
 */
public abstract sealed class TransportException extends ThriftscoreException {
  private static final long serialVersionUID = 1L;

  TransportException(CallSite site, String reason, Throwable cause) {
    super(site, reason, cause);
  }

  /** {@inheritDoc} True, except where the server does not keep to the protocol. */
  @Override
  public boolean retryable() {
    return true;
  }

  /** No connection could be made in time; the request was not sent. */
  public static final class ConnectFailed extends TransportException {
    private static final long serialVersionUID = 1L;

    ConnectFailed(CallSite site, Throwable cause) {
      super(site, "cannot connect: " + describe(cause), cause);
    }
  }

  /** The call's timeout passed before the whole answer was there. */
  public static final class CallTimedOut extends TransportException {
    private static final long serialVersionUID = 1L;

    CallTimedOut(CallSite site, String reason, Throwable cause) {
      super(site, reason, cause);
    }
  }

  /** The connection broke before the whole answer was there, or the thread was interrupted. */
  public static final class ConnectionLost extends TransportException {
    private static final long serialVersionUID = 1L;

    ConnectionLost(CallSite site, Throwable cause) {
      super(site, "connection lost: " + describe(cause), cause);
    }
  }

  /** What came is not an answer to this call: malformed, out of sequence, or contradictory. */
  public static final class ProtocolViolation extends TransportException {
    private static final long serialVersionUID = 1L;

    ProtocolViolation(CallSite site, Throwable cause) {
      super(site, "invalid reply: " + describe(cause), cause);
    }

    @Override
    public boolean retryable() {
      return false;
    }
  }

  private static String describe(Throwable cause) {
    return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
  }
}
