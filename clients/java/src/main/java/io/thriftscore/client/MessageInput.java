// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;

/** Reads whole messages from a connection. Not thread-safe. */
interface MessageInput {

  /** Waits for the next message; anything that cannot be one is a ProtocolException. */
  byte[] next() throws IOException;

  /** True if bytes have been received that belong to no message that was returned. */
  boolean hasMore();
}
