// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.ScoringError;
import java.time.Duration;

/**
 * The server answered that it will not or cannot do this; one nested class for each {@link
 * ErrorCode}. The connection stays in use.
 */
public abstract sealed class ServerException extends ThriftscoreException {
  private static final long serialVersionUID = 1L;

  /** What kind of error this is. */
  private final ErrorCode code;

  /** The server's own sentence. */
  private final String reason;

  /** Whether the server advises a retry. */
  private final boolean retryable;

  /** Milliseconds to wait before a retry. */
  private final int retryAfterMs;

  ServerException(CallSite site, ErrorCode code, ScoringError error) {
    super(site, code + ": " + error.getMessage(), null);
    this.code = code;
    this.reason = error.getMessage();
    this.retryable = error.isRetryable();
    this.retryAfterMs = Math.max(0, error.getRetry_after_ms());
  }

  /** A code that this client does not know yet is taken as INTERNAL. */
  static ServerException of(CallSite site, ScoringError error) {
    return switch (error.getCode() == null ? ErrorCode.INTERNAL : error.getCode()) {
      case INVALID_ARGUMENT -> new InvalidArgument(site, error);
      case MODEL_NOT_FOUND -> new ModelNotFound(site, error);
      case MODEL_NOT_READY -> new ModelNotReady(site, error);
      case DEADLINE_EXCEEDED -> new DeadlineExceeded(site, error);
      case OVERLOADED -> new Overloaded(site, error);
      case UNAUTHENTICATED -> new Unauthenticated(site, error);
      case PERMISSION_DENIED -> new PermissionDenied(site, error);
      case UNAVAILABLE -> new Unavailable(site, error);
      case UNIMPLEMENTED -> new Unimplemented(site, error);
      case INTERNAL -> new Internal(site, error);
    };
  }

  /**
   * The code that the server answered with.
   *
   * @return what kind of error this is
   */
  public ErrorCode code() {
    return code;
  }

  /**
   * The server's own sentence, without the call site that {@link #getMessage()} adds.
   *
   * @return the thing, what was expected, what was received
   */
  public String reason() {
    return reason;
  }

  @Override
  public boolean retryable() {
    return retryable;
  }

  /**
   * How long to wait before a retry.
   *
   * @return the server's advice; zero = none
   */
  public Duration retryAfter() {
    return Duration.ofMillis(retryAfterMs);
  }

  /** The request itself is wrong: shape, datatype, name or value. A retry cannot help. */
  public static final class InvalidArgument extends ServerException {
    private static final long serialVersionUID = 1L;

    InvalidArgument(CallSite site, ScoringError error) {
      super(site, ErrorCode.INVALID_ARGUMENT, error);
    }
  }

  /** No such model, version or label. */
  public static final class ModelNotFound extends ServerException {
    private static final long serialVersionUID = 1L;

    ModelNotFound(CallSite site, ScoringError error) {
      super(site, ErrorCode.MODEL_NOT_FOUND, error);
    }
  }

  /** The model exists but is not loaded. */
  public static final class ModelNotReady extends ServerException {
    private static final long serialVersionUID = 1L;

    ModelNotReady(CallSite site, ScoringError error) {
      super(site, ErrorCode.MODEL_NOT_READY, error);
    }
  }

  /** The server saw the deadline pass before its answer was ready. */
  public static final class DeadlineExceeded extends ServerException {
    private static final long serialVersionUID = 1L;

    DeadlineExceeded(CallSite site, ScoringError error) {
      super(site, ErrorCode.DEADLINE_EXCEEDED, error);
    }
  }

  /** A queue or limit of the server is full; try again after {@link #retryAfter()}. */
  public static final class Overloaded extends ServerException {
    private static final long serialVersionUID = 1L;

    Overloaded(CallSite site, ScoringError error) {
      super(site, ErrorCode.OVERLOADED, error);
    }
  }

  /** No valid credentials came with the request. */
  public static final class Unauthenticated extends ServerException {
    private static final long serialVersionUID = 1L;

    Unauthenticated(CallSite site, ScoringError error) {
      super(site, ErrorCode.UNAUTHENTICATED, error);
    }
  }

  /** The caller is known and may not do this. */
  public static final class PermissionDenied extends ServerException {
    private static final long serialVersionUID = 1L;

    PermissionDenied(CallSite site, ScoringError error) {
      super(site, ErrorCode.PERMISSION_DENIED, error);
    }
  }

  /** The server is starting or draining; another server may answer. */
  public static final class Unavailable extends ServerException {
    private static final long serialVersionUID = 1L;

    Unavailable(CallSite site, ScoringError error) {
      super(site, ErrorCode.UNAVAILABLE, error);
    }
  }

  /** The server does not have this method, or this use of it. */
  public static final class Unimplemented extends ServerException {
    private static final long serialVersionUID = 1L;

    Unimplemented(CallSite site, ScoringError error) {
      super(site, ErrorCode.UNIMPLEMENTED, error);
    }
  }

  /** A defect of the server. Its log has the details under the request id. */
  public static final class Internal extends ServerException {
    private static final long serialVersionUID = 1L;

    Internal(CallSite site, ScoringError error) {
      super(site, ErrorCode.INTERNAL, error);
    }
  }
}
