// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ProtocolException;
import java.util.Arrays;
import org.apache.thrift.TConfiguration;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.protocol.TProtocolUtil;
import org.apache.thrift.protocol.TType;
import org.apache.thrift.transport.TEndpointTransport;
import org.apache.thrift.transport.TTransportException;

/** Messages one after another: each is skipped over to find its end, and kept on the way. */
final class UnframedInput implements MessageInput {
  private static final int INITIAL_BYTES = 512;

  private final IncomingBytes incoming;
  private final MessageCodec codec;
  private byte[] message = new byte[INITIAL_BYTES];
  private int length;

  UnframedInput(ByteStream stream, MessageCodec codec) {
    this.incoming = new IncomingBytes(stream);
    this.codec = codec;
  }

  @Override
  public byte[] next() throws IOException {
    length = 0;
    try {
      TProtocol protocol = codec.over(new Recorder(codec.limits()));
      protocol.readMessageBegin();
      TProtocolUtil.skip(protocol, TType.STRUCT, codec.limits().getRecursionLimit());
      protocol.readMessageEnd();
      return Arrays.copyOf(message, length);
    } catch (UncheckedIOException broken) {
      throw broken.getCause();
    } catch (TException | RuntimeException malformed) {
      throw MessageCodec.violation(malformed);
    } finally {
      message = message.length > IncomingBytes.CHUNK_BYTES ? new byte[INITIAL_BYTES] : message;
    }
  }

  @Override
  public boolean hasMore() {
    return incoming.available() > 0;
  }

  private int record(byte[] target, int offset, int count) throws IOException {
    if (length + count > codec.limits().getMaxFrameSize()) {
      throw new ProtocolException(
          "a message may have " + codec.limits().getMaxFrameSize() + " bytes, received more");
    }
    int received = incoming.take(target, offset, count);
    if (length + received > message.length) {
      message = Arrays.copyOf(message, Math.max(length + received, 2 * message.length));
    }
    System.arraycopy(target, offset, message, length, received);
    length += received;
    return received;
  }

  /** What Thrift reads from; keeps a copy of all that it reads. */
  private final class Recorder extends TEndpointTransport {
    Recorder(TConfiguration limits) throws TTransportException {
      super(limits);
    }

    @Override
    public int read(byte[] target, int offset, int count) {
      try {
        return record(target, offset, count);
      } catch (IOException broken) {
        // Thrift's own exceptions would hide what happened.
        throw new UncheckedIOException(broken);
      }
    }

    @Override
    public boolean isOpen() {
      return true;
    }

    @Override
    public void open() {}

    @Override
    public void close() {}

    @Override
    public void write(byte[] source, int offset, int count) {
      throw new UnsupportedOperationException("a reply is read, not written");
    }
  }
}
