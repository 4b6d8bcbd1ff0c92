// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Bytes on their way to a socket: gathered outside of the heap, so that small messages share a
 * write and large ones leave in parts without ever being whole in memory. Not thread-safe.
 */
final class FrameOutput {
  private static final int CHUNK_BYTES = 64 * 1024;

  private final ByteStream stream;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(CHUNK_BYTES);

  FrameOutput(ByteStream stream) {
    this.stream = stream;
  }

  FrameOutput put(int value) throws IOException {
    ensure(Byte.BYTES).put((byte) value);
    return this;
  }

  FrameOutput putInt(int value) throws IOException {
    ensure(Integer.BYTES).putInt(value);
    return this;
  }

  /** Big-endian, as Thrift's binary protocol has them. */
  FrameOutput putField(int type, int id) throws IOException {
    ensure(Byte.BYTES + Short.BYTES).put((byte) type).putShort((short) id);
    return this;
  }

  FrameOutput put(byte[] bytes) throws IOException {
    return put(ByteBuffer.wrap(bytes));
  }

  FrameOutput put(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      int count = Math.min(bytes.remaining(), ensure(1).remaining());
      buffer.put(buffer.position(), bytes, bytes.position(), count);
      buffer.position(buffer.position() + count);
      bytes.position(bytes.position() + count);
    }
    return this;
  }

  /** The values of a matrix, little-endian and row-major. */
  void put(Matrix values) throws IOException {
    int count = values.rows() * values.columns();
    int itemBytes = LittleEndian.itemBytes(values.datatype());
    for (int written = 0; written < count; ) {
      int part = Math.min(count - written, ensure(itemBytes).remaining() / itemBytes);
      buffer.order(ByteOrder.LITTLE_ENDIAN);
      LittleEndian.put(buffer, values, written, part);
      buffer.order(ByteOrder.BIG_ENDIAN);
      written += part;
    }
  }

  private ByteBuffer ensure(int bytes) throws IOException {
    if (buffer.remaining() < bytes) {
      flush();
    }
    return buffer;
  }

  void flush() throws IOException {
    if (buffer.position() > 0) {
      buffer.flip();
      try {
        stream.write(buffer);
      } finally {
        buffer.clear();
      }
    }
  }
}
