// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Where a server listens: a host and a port, or the path of a Unix socket. A host name stands for
 * all its addresses.
 *
 * @param port 0 for a Unix socket
 * @param path empty for a host
 */
record Endpoint(String host, int port, String path) {
  private static final int PORT_MAX = 65_535;
  private static final String UNIX = "unix:";

  /** Parses endpoints, each of which may be several, separated by commas. */
  static List<Endpoint> parseAll(List<String> texts) {
    List<Endpoint> endpoints = new ArrayList<>();
    for (String text : texts) {
      Arrays.stream(text.split(",", -1)).map(String::strip).map(Endpoint::parse)
          .forEach(endpoints::add);
    }
    if (endpoints.isEmpty()) {
      throw new IllegalArgumentException("an endpoint is needed, received none");
    }
    return endpoints;
  }

  /** Parses "host:port", "[IPv6 address]:port" or "unix:/path". */
  static Endpoint parse(String text) {
    if (text.startsWith(UNIX) && text.length() > UNIX.length()) {
      return new Endpoint("", 0, text.substring(UNIX.length()));
    }
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
    return new Endpoint(host, port, "");
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
        "an endpoint must be host:port, such as 127.0.0.1:9090 or [::1]:9090, or unix:/path,"
            + " received \""
            + text
            + "\"");
  }

  boolean isUnix() {
    return !path.isEmpty();
  }

  /** All addresses, at present; asks the system's resolver, which keeps its own time. */
  List<SocketAddress> resolve() throws UnknownHostException {
    if (isUnix()) {
      return List.of(UnixDomainSocketAddress.of(Path.of(path)));
    }
    List<SocketAddress> addresses = new ArrayList<>();
    for (InetAddress address : InetAddress.getAllByName(host)) {
      addresses.add(new InetSocketAddress(address, port));
    }
    return addresses;
  }

  /** What to call one of the addresses: also by its number, where the endpoint has a name. */
  String nameOf(SocketAddress address) {
    if (address instanceof InetSocketAddress internet) {
      String number = internet.getAddress().getHostAddress();
      return number.equals(host) || host.contains(":") ? toString() : this + " (" + number + ")";
    }
    return toString();
  }

  @Override
  public String toString() {
    if (isUnix()) {
      return UNIX + path;
    }
    return host.contains(":") ? "[" + host + "]:" + port : host + ":" + port;
  }
}
