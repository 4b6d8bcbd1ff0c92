// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ProtocolException;
import java.net.SocketAddress;

/** Whole messages to and from a socket. One thread may send while another receives. */
final class Transport {
  private final ByteStream stream;
  private final FrameOutput output;
  private final MessageInput input;
  private final boolean framed;

  Transport(ByteStream stream, ClientOptions options, MessageCodec codec) {
    this.stream = stream;
    this.framed = options.framing() == WireFraming.FRAMED;
    this.output = new FrameOutput(stream);
    this.input =
        framed
            ? new FramedInput(stream, options.frameBytesMax())
            : new UnframedInput(stream, codec);
  }

  /** Connects; `host` is what a certificate must be for. */
  static Transport open(
      SocketAddress address, String host, ClientOptions options, Deadline deadline)
      throws IOException {
    TlsOptions tls = options.tls();
    ByteStream stream =
        tls == null
            ? ChannelStream.open(address, deadline)
            : TlsStream.open((InetSocketAddress) address, tls.nameOr(host), tls, deadline);
    return new Transport(
        stream, options, new MessageCodec(options.protocol(), options.frameBytesMax()));
  }

  /** Takes a message; it may stay here until {@link #flush}. */
  void send(OutgoingMessage message) throws IOException {
    if (framed) {
      output.putInt(message.bytes());
    }
    message.writeTo(output);
  }

  void flush() throws IOException {
    output.flush();
  }

  /** Waits for the next message. */
  byte[] receive() throws IOException {
    return input.next();
  }

  /** Refuses bytes that follow a message although no other is awaited. */
  void requireNothingMore() throws ProtocolException {
    if (input.hasMore()) {
      throw new ProtocolException("more bytes came than the message has");
    }
  }

  /** False once the peer has closed the connection, or sent what nobody asked for. */
  boolean isQuiet() {
    try {
      return !input.hasMore() && stream.isQuiet();
    } catch (IOException broken) {
      return false;
    }
  }

  void close() {
    stream.close();
  }
}
