// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A connected socket that blocks. One thread may read while another writes; closing, by any thread,
 * ends both with an exception.
 */
interface ByteStream extends Closeable {

  /** Waits for bytes and appends them to the buffer; -1 = the peer has closed its side. */
  int read(ByteBuffer buffer) throws IOException;

  /** Writes all that remains in the buffer. */
  void write(ByteBuffer buffer) throws IOException;

  /** True while the peer has sent nothing and is not gone; nothing else may read meanwhile. */
  boolean isQuiet() throws IOException;

  /** Closes without waiting for the peer. */
  @Override
  void close();
}
