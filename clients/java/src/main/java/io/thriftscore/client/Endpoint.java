// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** Where a server listens. */
record Endpoint(String host, int port) {
  private static final int PORT_MAX = 65_535;

  /** Parses "host:port" or "[IPv6 address]:port". */
  static Endpoint parse(String text) {
    int colon = text.lastIndexOf(':');
    String host = colon < 0 ? "" : text.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    } else if (host.contains(":")) {
      throw invalid(text);
    }
    int port = parsePort(text, text.substring(colon + 1));
    if (host.isEmpty()) {
      throw invalid(text);
    }
    return new Endpoint(host, port);
  }

  private static int parsePort(String text, String digits) {
    try {
      int port = Integer.parseInt(digits);
      if (port >= 1 && port <= PORT_MAX) {
        return port;
      }
    } catch (NumberFormatException notANumber) {
      // Answered below, as a number out of range is.
    }
    throw invalid(text);
  }

  private static IllegalArgumentException invalid(String text) {
    return new IllegalArgumentException(
        "an endpoint must be host:port, such as 127.0.0.1:9090 or [::1]:9090, received \""
            + text
            + "\"");
  }

  @Override
  public String toString() {
    return host.contains(":") ? "[" + host + "]:" + port : host + ":" + port;
  }
}
