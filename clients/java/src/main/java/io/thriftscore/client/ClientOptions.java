// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * How a client talks to its servers. Immutable; start from {@link #DEFAULT} and use the {@code
 * with} methods, each of which throws an {@link IllegalArgumentException} for a value that is out
 * of range.
 */
public final class ClientOptions {
  /** A second for a call, binary protocol in frames, no token, no TLS, three attempts. */
  public static final ClientOptions DEFAULT = new ClientOptions(new Values());

  /** For {@link #withHedgeAfter}: the 95th percentile of recent calls, whatever that is. */
  public static final Duration P95 = Duration.ofMillis(-95);

  private static final int CONNECTIONS = 16;

  /** Not changed any more once it belongs to options. */
  private static final class Values implements Cloneable {
    private Duration timeout = Duration.ofSeconds(1);
    private Duration connectTimeout = Duration.ofSeconds(1);
    private WireProtocol protocol = WireProtocol.BINARY;
    private WireFraming framing = WireFraming.FRAMED;
    private int frameBytesMax = 16_384_000;
    private String authToken = "";
    private TlsOptions tls;
    private int callsPerConnectionMax = 32;
    private int connectionsMax;
    private Duration idleTimeout = Duration.ofSeconds(60);
    private Duration connectionAgeMax = Duration.ofSeconds(300);
    private Duration resolveInterval = Duration.ofSeconds(30);
    private int attemptsMax = 3;
    private Duration backoffBase = Duration.ofMillis(10);
    private Duration backoffMax = Duration.ofSeconds(1);
    private Duration hedgeAfter = Duration.ZERO;
    private int chunkRows = 16_384;
    private CallObserver observer;

    @Override
    public Values clone() {
      try {
        return (Values) super.clone();
      } catch (CloneNotSupportedException impossible) {
        throw new AssertionError(impossible);
      }
    }

    private void check() {
      Deadline.requireInRange("timeout", timeout);
      Deadline.requireInRange("connectTimeout", connectTimeout);
      Deadline.requireInRange("idleTimeout", idleTimeout);
      Deadline.requireInRange("connectionAgeMax", connectionAgeMax);
      Deadline.requireInRange("resolveInterval", resolveInterval);
      Deadline.requireInRange("backoffBase", backoffBase);
      Deadline.requireInRange("backoffMax", backoffMax);
      if (!hedgeAfter.isZero() && !hedgeAfter.equals(P95)) {
        Deadline.requireInRange("hedgeAfter", hedgeAfter);
      }
      Objects.requireNonNull(protocol, "protocol");
      Objects.requireNonNull(framing, "framing");
      Objects.requireNonNull(authToken, "authToken");
      requireAtLeast("frameBytesMax", frameBytesMax, 1);
      requireAtLeast("callsPerConnectionMax", callsPerConnectionMax, 1);
      requireAtLeast("connectionsMax", connectionsMax, 0);
      requireAtLeast("attemptsMax", attemptsMax, 1);
      requireAtLeast("chunkRows", chunkRows, 1);
    }

    private static void requireAtLeast(String name, int value, int least) {
      if (value < least) {
        throw new IllegalArgumentException(
            name + " must be " + least + " or more, received " + value);
      }
    }
  }

  private final Values values;

  private ClientOptions(Values values) {
    this.values = values;
  }

  private ClientOptions with(Consumer<Values> change) {
    Values changed = values.clone();
    change.accept(changed);
    changed.check();
    return new ClientOptions(changed);
  }

  /**
   * Time for a whole call: waiting for a connection, connecting and retries included; 1 ms to
   * 2^31 - 1 ms, as for the others.
   *
   * @return the value
   */
  public Duration timeout() {
    return values.timeout;
  }

  /**
   * The same options with another timeout.
   *
   * @param value see {@link #timeout()}
   * @return the changed copy
   */
  public ClientOptions withTimeout(Duration value) {
    return with(changed -> changed.timeout = value);
  }

  /**
   * Time for connecting alone; the call's timeout still holds.
   *
   * @return the value
   */
  public Duration connectTimeout() {
    return values.connectTimeout;
  }

  /**
   * The same options with another connectTimeout.
   *
   * @param value see {@link #connectTimeout()}
   * @return the changed copy
   */
  public ClientOptions withConnectTimeout(Duration value) {
    return with(changed -> changed.connectTimeout = value);
  }

  /**
   * The encoding of the messages.
   *
   * @return the value
   */
  public WireProtocol protocol() {
    return values.protocol;
  }

  /**
   * The same options with another protocol.
   *
   * @param value see {@link #protocol()}
   * @return the changed copy
   */
  public ClientOptions withProtocol(WireProtocol value) {
    return with(changed -> changed.protocol = value);
  }

  /**
   * How messages are told apart.
   *
   * @return the value
   */
  public WireFraming framing() {
    return values.framing;
  }

  /**
   * The same options with another framing.
   *
   * @param value see {@link #framing()}
   * @return the changed copy
   */
  public ClientOptions withFraming(WireFraming value) {
    return with(changed -> changed.framing = value);
  }

  /**
   * The largest request and the largest reply, in bytes.
   *
   * @return the value
   */
  public int frameBytesMax() {
    return values.frameBytesMax;
  }

  /**
   * The same options with another frameBytesMax.
   *
   * @param value see {@link #frameBytesMax()}
   * @return the changed copy
   */
  public ClientOptions withFrameBytesMax(int value) {
    return with(changed -> changed.frameBytesMax = value);
  }

  /**
   * The bearer token sent with each request that has a context; empty = none.
   *
   * @return the value
   */
  public String authToken() {
    return values.authToken;
  }

  /**
   * The same options with another authToken.
   *
   * @param value see {@link #authToken()}
   * @return the changed copy
   */
  public ClientOptions withAuthToken(String value) {
    return with(changed -> changed.authToken = value);
  }

  /**
   * How connections are secured; null = not at all.
   *
   * @return the value
   */
  public TlsOptions tls() {
    return values.tls;
  }

  /**
   * The same options with another tls.
   *
   * @param value see {@link #tls()}
   * @return the changed copy
   */
  public ClientOptions withTls(TlsOptions value) {
    return with(changed -> changed.tls = value);
  }

  /**
   * How many calls share a connection at a time; 1 = none do.
   *
   * @return the value
   */
  public int callsPerConnectionMax() {
    return values.callsPerConnectionMax;
  }

  /**
   * The same options with another callsPerConnectionMax.
   *
   * @param value see {@link #callsPerConnectionMax()}
   * @return the changed copy
   */
  public ClientOptions withCallsPerConnectionMax(int value) {
    return with(changed -> changed.callsPerConnectionMax = value);
  }

  /**
   * The most connections to one address; 0 = 16. Calls share one when there are no more.
   *
   * @return the value
   */
  public int connectionsMax() {
    return values.connectionsMax > 0 ? values.connectionsMax : CONNECTIONS;
  }

  /**
   * The same options with another connectionsMax.
   *
   * @param value see {@link #connectionsMax()}
   * @return the changed copy
   */
  public ClientOptions withConnectionsMax(int value) {
    return with(changed -> changed.connectionsMax = value);
  }

  /**
   * After which an unused connection is closed.
   *
   * @return the value
   */
  public Duration idleTimeout() {
    return values.idleTimeout;
  }

  /**
   * The same options with another idleTimeout.
   *
   * @param value see {@link #idleTimeout()}
   * @return the changed copy
   */
  public ClientOptions withIdleTimeout(Duration value) {
    return with(changed -> changed.idleTimeout = value);
  }

  /**
   * After which, give or take a tenth, an idle connection is replaced.
   *
   * @return the value
   */
  public Duration connectionAgeMax() {
    return values.connectionAgeMax;
  }

  /**
   * The same options with another connectionAgeMax.
   *
   * @param value see {@link #connectionAgeMax()}
   * @return the changed copy
   */
  public ClientOptions withConnectionAgeMax(Duration value) {
    return with(changed -> changed.connectionAgeMax = value);
  }

  /**
   * After which host names are looked up again.
   *
   * @return the value
   */
  public Duration resolveInterval() {
    return values.resolveInterval;
  }

  /**
   * The same options with another resolveInterval.
   *
   * @param value see {@link #resolveInterval()}
   * @return the changed copy
   */
  public ClientOptions withResolveInterval(Duration value) {
    return with(changed -> changed.resolveInterval = value);
  }

  /**
   * How often a call is tried in all; 1 = no retries.
   *
   * @return the value
   */
  public int attemptsMax() {
    return values.attemptsMax;
  }

  /**
   * The same options with another attemptsMax.
   *
   * @param value see {@link #attemptsMax()}
   * @return the changed copy
   */
  public ClientOptions withAttemptsMax(int value) {
    return with(changed -> changed.attemptsMax = value);
  }

  /**
   * The longest pause before a second attempt at the same server; it doubles each time.
   *
   * @return the value
   */
  public Duration backoffBase() {
    return values.backoffBase;
  }

  /**
   * The same options with another backoffBase.
   *
   * @param value see {@link #backoffBase()}
   * @return the changed copy
   */
  public ClientOptions withBackoffBase(Duration value) {
    return with(changed -> changed.backoffBase = value);
  }

  /**
   * The longest pause before any attempt.
   *
   * @return the value
   */
  public Duration backoffMax() {
    return values.backoffMax;
  }

  /**
   * The same options with another backoffMax.
   *
   * @param value see {@link #backoffMax()}
   * @return the changed copy
   */
  public ClientOptions withBackoffMax(Duration value) {
    return with(changed -> changed.backoffMax = value);
  }

  /**
   * After which a call that is not answered is tried at another server as well; zero = never,
   * {@link #P95} = the 95th percentile of recent calls.
   *
   * @return the value
   */
  public Duration hedgeAfter() {
    return values.hedgeAfter;
  }

  /**
   * The same options with another hedgeAfter.
   *
   * @param value see {@link #hedgeAfter()}
   * @return the changed copy
   */
  public ClientOptions withHedgeAfter(Duration value) {
    return with(changed -> changed.hedgeAfter = value);
  }

  /**
   * The most rows that {@link ThriftscoreClient#scoreBatch} and {@link
   * ThriftscoreClient#scoreSparseBatch} send in one request.
   *
   * @return the value
   */
  public int chunkRows() {
    return values.chunkRows;
  }

  /**
   * The same options with another chunkRows.
   *
   * @param value see {@link #chunkRows()}
   * @return the changed copy
   */
  public ClientOptions withChunkRows(int value) {
    return with(changed -> changed.chunkRows = value);
  }

  /**
   * Told of every call and attempt; null = nobody.
   *
   * @return the value
   */
  public CallObserver observer() {
    return values.observer;
  }

  /**
   * The same options with another observer.
   *
   * @param value see {@link #observer()}
   * @return the changed copy
   */
  public ClientOptions withObserver(CallObserver value) {
    return with(changed -> changed.observer = value);
  }

  /** Leaves the token out, so that options may be logged. */
  @Override
  public String toString() {
    return String.format(
        "ClientOptions[timeout=%s, connectTimeout=%s, protocol=%s, framing=%s, frameBytesMax=%d,"
            + " attemptsMax=%d, tls=%s, authToken=%s]",
        values.timeout, values.connectTimeout, values.protocol, values.framing,
        values.frameBytesMax, values.attemptsMax, values.tls == null ? "none" : "set",
        values.authToken.isEmpty() ? "none" : "set");
  }
}
