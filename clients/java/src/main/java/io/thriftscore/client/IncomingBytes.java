// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;

/** What has been received and not been taken yet. Not thread-safe. */
final class IncomingBytes {
  /** Holds many small replies, so that those which come together are read together. */
  static final int CHUNK_BYTES = 64 * 1024;

  private final ByteStream stream;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK_BYTES).flip();

  IncomingBytes(ByteStream stream) {
    this.stream = stream;
  }

  int available() {
    return buffer.remaining();
  }

  /** Waits until `count` bytes, at most a chunk, can be taken. */
  void require(int count) throws IOException {
    while (buffer.remaining() < count) {
      receive();
    }
  }

  int takeInt() throws IOException {
    require(Integer.BYTES);
    return buffer.getInt();
  }

  /** Takes what is there, waiting only if that is nothing; returns how much it was. */
  int take(byte[] bytes, int offset, int length) throws IOException {
    require(1);
    int count = Math.min(length, buffer.remaining());
    buffer.get(bytes, offset, count);
    return count;
  }

  private void receive() throws IOException {
    buffer.compact();
    try {
      if (stream.read(buffer) < 0) {
        throw new EOFException("the server closed it");
      }
    } finally {
      buffer.flip();
    }
  }
}
