// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.ProtocolException;
import java.util.Arrays;

/** Messages with their length before them, in 4 bytes, big-endian. */
final class FramedInput implements MessageInput {
  private final IncomingBytes incoming;
  private final int frameBytesMax;

  FramedInput(ByteStream stream, int frameBytesMax) {
    this.incoming = new IncomingBytes(stream);
    this.frameBytesMax = frameBytesMax;
  }

  /** Takes memory as the bytes come, never because a length promises them. */
  @Override
  public byte[] next() throws IOException {
    int length = requireLength(incoming.takeInt());
    byte[] body = new byte[Math.min(length, IncomingBytes.CHUNK_BYTES)];
    for (int received = 0; received < length; ) {
      if (received == body.length) {
        body = Arrays.copyOf(body, (int) Math.min(length, 2L * body.length));
      }
      received += incoming.take(body, received, body.length - received);
    }
    return body;
  }

  @Override
  public boolean hasMore() {
    return incoming.available() > 0;
  }

  private int requireLength(int length) throws ProtocolException {
    if (length < 1 || length > frameBytesMax) {
      throw new ProtocolException(
          String.format(
              "a frame must have 1 to %d bytes, received the length %d",
              frameBytesMax, Integer.toUnsignedLong(length)));
    }
    return length;
  }
}
