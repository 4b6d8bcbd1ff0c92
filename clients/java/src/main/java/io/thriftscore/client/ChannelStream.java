// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** TCP and Unix sockets: one system call to read and one to write, with no copy in between. */
final class ChannelStream implements ByteStream {
  private final SocketChannel channel;
  private final ByteBuffer probe = ByteBuffer.allocate(1);

  private ChannelStream(SocketChannel channel) {
    this.channel = channel;
  }

  static ChannelStream open(SocketAddress address, Deadline deadline) throws IOException {
    boolean unix = address instanceof UnixDomainSocketAddress;
    SocketChannel channel =
        unix ? SocketChannel.open(StandardProtocolFamily.UNIX) : SocketChannel.open();
    try {
      if (unix) {
        // Completes or fails at once, unless the server's backlog is full.
        channel.connect(address);
      } else {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
        channel.socket().connect((InetSocketAddress) address, deadline.remainingMillis());
      }
      return new ChannelStream(channel);
    } catch (IOException | RuntimeException failure) {
      channel.close();
      throw failure;
    }
  }

  @Override
  public int read(ByteBuffer buffer) throws IOException {
    return channel.read(buffer);
  }

  @Override
  public void write(ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  @Override
  public boolean isQuiet() throws IOException {
    channel.configureBlocking(false);
    try {
      return channel.read(probe.clear()) == 0;
    } finally {
      channel.configureBlocking(true);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException ignored) {
      // Nothing is owed to the peer, and the descriptor is released all the same.
    }
  }
}
