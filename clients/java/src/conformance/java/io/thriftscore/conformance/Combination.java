// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.WireFraming;
import io.thriftscore.client.WireProtocol;
import java.time.Duration;
import java.util.Locale;

/** One way of talking to a server: transport, protocol and style. */
record Combination(WireFraming framing, WireProtocol protocol, Style style) {
  static final Duration TIMEOUT = Duration.ofSeconds(10);

  /** How calls are made. */
  enum Style {
    /** One after another, each with a connection to itself. */
    SYNC,
    /** By several threads over one connection. */
    PIPELINED,
    /** As futures. */
    ASYNC
  }

  /** Parses transport/protocol/style. */
  static Combination parse(String text) {
    String[] parts = text.toUpperCase(Locale.ROOT).split("/", -1);
    if (parts.length != 3) {
      throw new IllegalArgumentException(
          "a combination must be transport/protocol/style, received \"" + text + "\"");
    }
    return new Combination(
        WireFraming.valueOf(parts[0]), WireProtocol.valueOf(parts[1]), Style.valueOf(parts[2]));
  }

  ClientOptions options() {
    ClientOptions options =
        ClientOptions.DEFAULT.withFraming(framing).withProtocol(protocol).withTimeout(TIMEOUT);
    return switch (style) {
      case SYNC -> options.withCallsPerConnectionMax(1);
      case PIPELINED -> options.withConnectionsMax(1);
      case ASYNC -> options;
    };
  }

  @Override
  public String toString() {
    return String.join("/", framing.name(), protocol.name(), style.name()).toLowerCase(Locale.ROOT);
  }
}
