// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.net.ProtocolException;
import java.nio.ByteBuffer;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.TBase;
import org.apache.thrift.TConfiguration;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TCompactProtocol;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.AutoExpandingBufferWriteTransport;
import org.apache.thrift.transport.TMemoryInputTransport;
import org.apache.thrift.transport.TTransport;

/** Thrift messages to bytes and back, within one size limit. Thread-safe. */
final class MessageCodec {
  private static final int INITIAL_BYTES = 512;

  private final WireProtocol protocol;
  private final TConfiguration limits;

  MessageCodec(WireProtocol protocol, int frameBytesMax) {
    this.protocol = protocol;
    this.limits =
        new TConfiguration(frameBytesMax, frameBytesMax, TConfiguration.DEFAULT_RECURSION_DEPTH);
  }

  WireProtocol protocol() {
    return protocol;
  }

  TConfiguration limits() {
    return limits;
  }

  /**
   * The bytes of a message.
   *
   * @throws IllegalArgumentException if there would be more of them than the limit
   */
  ByteBuffer encode(TMessage message, TBase<?, ?> arguments) throws TException {
    var transport = new AutoExpandingBufferWriteTransport(limits, INITIAL_BYTES, 0);
    TProtocol output = over(transport);
    output.writeMessageBegin(message);
    arguments.write(output);
    output.writeMessageEnd();
    requireFits(message.name, transport.getLength());
    return ByteBuffer.wrap(transport.getBuf().array(), 0, transport.getLength());
  }

  /** Refuses a request that is larger than the limit. */
  void requireFits(String method, long bytes) {
    if (bytes > limits.getMaxFrameSize()) {
      throw new IllegalArgumentException(
          String.format(
              "a request of %s may have %d bytes (frameBytesMax), this one has %d",
              method, limits.getMaxFrameSize(), bytes));
    }
  }

  /**
   * Reads the reply to `call` into `reply`.
   *
   * @throws TApplicationException if the server sent one in reply to this call
   * @throws ProtocolException if the bytes are anything but one whole reply to this call
   */
  void decode(byte[] message, TMessage call, TBase<?, ?> reply)
      throws TApplicationException, ProtocolException {
    try {
      TMemoryInputTransport transport = new TMemoryInputTransport(limits, message);
      TProtocol input = over(transport);
      requireReplyTo(call, input.readMessageBegin(), input);
      reply.read(input);
      input.readMessageEnd();
      if (transport.getBytesRemainingInBuffer() > 0) {
        throw new ProtocolException(
            transport.getBytesRemainingInBuffer() + " bytes follow the message in its frame");
      }
    } catch (TApplicationException refusal) {
      throw refusal;
    } catch (TException | RuntimeException malformed) {
      throw violation(malformed);
    }
  }

  /** Thrift answers some malformed input with unchecked exceptions. */
  static ProtocolException violation(Exception malformed) {
    ProtocolException violation = new ProtocolException("malformed message: " + malformed);
    violation.initCause(malformed);
    return violation;
  }

  /** Checks seqid and name before the type: an exception too must be of this very call. */
  private static void requireReplyTo(TMessage call, TMessage received, TProtocol input)
      throws TException, ProtocolException {
    if (received.seqid != call.seqid || !received.name.equals(call.name)) {
      throw new ProtocolException(
          String.format(
              "expected the reply to %s %d, received one to %s %d",
              call.name, call.seqid, received.name, received.seqid));
    }
    if (received.type == TMessageType.EXCEPTION) {
      throw TApplicationException.readFrom(input);
    }
    if (received.type != TMessageType.REPLY) {
      throw new ProtocolException("expected a reply, received message type " + received.type);
    }
  }

  TProtocol over(TTransport transport) {
    int lengthMax = limits.getMaxFrameSize();
    return switch (protocol) {
      case BINARY -> new TBinaryProtocol(transport, lengthMax, lengthMax, true, true);
      case COMPACT -> new TCompactProtocol(transport, lengthMax, lengthMax);
    };
  }
}
