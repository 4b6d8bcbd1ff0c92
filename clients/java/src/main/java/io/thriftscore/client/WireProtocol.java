// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** How Thrift messages are encoded. Servers recognise both on one port. */
public enum WireProtocol {
  /** Strict binary: the least work to encode and decode. */
  BINARY,
  /** Compact: fewer bytes for integers and field headers. */
  COMPACT
}
