// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolException;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.Arrays;

/**
 * One TCP connection that carries whole frames: a length in 4 bytes, big-endian, then that many
 * bytes.
 *
 * <p>The socket never blocks; every wait is for what remains until a deadline, so that a peer that
 * reads or writes one byte at a time cannot hold a caller longer. After any exception the
 * connection is in an unknown state and must be closed. Not thread-safe.
 */
final class Connection implements AutoCloseable {
  static final int HEADER_BYTES = 4;

  /** Bounds the native memory that the JDK keeps for each thread that does I/O. */
  private static final int CHUNK_BYTES = 64 * 1024;

  private final SocketChannel channel;
  private final Selector selector;
  private final SelectionKey key;
  private final int frameBytesMax;
  private final ByteBuffer incoming = ByteBuffer.allocate(CHUNK_BYTES);

  private Connection(int frameBytesMax) throws IOException {
    this.frameBytesMax = frameBytesMax;
    this.channel = SocketChannel.open();
    try {
      channel.configureBlocking(false);
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
      this.selector = Selector.open();
      this.key = channel.register(selector, SelectionKey.OP_CONNECT);
    } catch (IOException failure) {
      channel.close();
      throw failure;
    }
  }

  /** Tries the addresses of the host in turn. */
  static Connection open(Endpoint endpoint, int frameBytesMax, Deadline deadline)
      throws IOException {
    IOException failure = null;
    for (InetAddress address : resolve(endpoint.host())) {
      try {
        return open(new InetSocketAddress(address, endpoint.port()), frameBytesMax, deadline);
      } catch (IOException next) {
        if (failure != null) {
          next.addSuppressed(failure);
        }
        failure = next;
      }
    }
    throw failure;
  }

  private static InetAddress[] resolve(String host) throws IOException {
    try {
      return InetAddress.getAllByName(host);
    } catch (UnknownHostException unknown) {
      throw new IOException("unknown host " + host, unknown);
    }
  }

  private static Connection open(InetSocketAddress address, int frameBytesMax, Deadline deadline)
      throws IOException {
    Connection connection = new Connection(frameBytesMax);
    try {
      if (!connection.channel.connect(address)) {
        do {
          connection.await(SelectionKey.OP_CONNECT, deadline);
        } while (!connection.channel.finishConnect());
      }
      return connection;
    } catch (IOException | RuntimeException failure) {
      connection.close();
      throw failure;
    }
  }

  /** False once the peer has closed the connection, or sent what nobody asked for. */
  boolean isIdle() {
    try {
      return channel.read(incoming.clear()) == 0;
    } catch (IOException broken) {
      return false;
    }
  }

  /** Sends the bytes of a frame, its header included. */
  void send(ByteBuffer frame, Deadline deadline) throws IOException {
    int end = frame.limit();
    while (frame.position() < end) {
      frame.limit(Math.min(end, frame.position() + CHUNK_BYTES));
      if (channel.write(frame) == 0) {
        await(SelectionKey.OP_WRITE, deadline);
      }
    }
  }

  /** Receives one frame, without its header, which must be all that the peer has sent. */
  byte[] receive(Deadline deadline) throws IOException {
    incoming.clear();
    while (incoming.position() < HEADER_BYTES) {
      read(deadline);
    }
    incoming.flip();
    byte[] frame = receiveBody(requireFrameLength(incoming.getInt()), deadline);
    if (incoming.hasRemaining()) {
      throw new ProtocolException("more bytes came than the frame's length says");
    }
    return frame;
  }

  /** Takes memory as the bytes come, never because a length promises them. */
  private byte[] receiveBody(int length, Deadline deadline) throws IOException {
    byte[] body = new byte[Math.min(length, CHUNK_BYTES)];
    int received = 0;
    while (true) {
      int count = Math.min(incoming.remaining(), length - received);
      if (received + count > body.length) {
        body = Arrays.copyOf(body, (int) Math.min(length, 2L * body.length));
      }
      incoming.get(body, received, count);
      received += count;
      if (received == length) {
        return body;
      }
      incoming.clear();
      read(deadline);
      incoming.flip();
    }
  }

  private int requireFrameLength(int length) throws ProtocolException {
    if (length < 1 || length > frameBytesMax) {
      throw new ProtocolException(
          String.format(
              "a frame must have 1 to %d bytes, received the length %d",
              frameBytesMax, Integer.toUnsignedLong(length)));
    }
    return length;
  }

  /** Appends to {@link #incoming} at least one byte. */
  private void read(Deadline deadline) throws IOException {
    int count;
    do {
      await(SelectionKey.OP_READ, deadline);
      count = channel.read(incoming);
    } while (count == 0);
    if (count < 0) {
      throw new EOFException("the server closed it");
    }
  }

  private void await(int operation, Deadline deadline) throws IOException {
    if (key.interestOps() != operation) {
      key.interestOps(operation);
    }
    do {
      if (deadline.hasPassed()) {
        throw new SocketTimeoutException("timed out");
      }
      if (Thread.currentThread().isInterrupted()) {
        throw new ClosedByInterruptException();
      }
    } while (selector.select(deadline.remainingMillis()) == 0);
    selector.selectedKeys().clear();
  }

  @Override
  public void close() {
    try (channel;
        selector) {
      key.cancel();
    } catch (IOException ignored) {
      // Nothing is owed to the peer, and the descriptors are released all the same.
    }
  }
}
