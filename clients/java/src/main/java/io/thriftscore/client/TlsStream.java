// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** TLS over TCP. The server's certificate must be for the name that was asked for. */
final class TlsStream implements ByteStream {
  private static final int CHUNK_BYTES = 16 * 1024;

  private final Socket raw;
  private final SSLSocket secured;
  private final InputStream input;
  private final OutputStream output;
  private final byte[] incoming = new byte[CHUNK_BYTES];
  private final byte[] outgoing = new byte[CHUNK_BYTES];

  private TlsStream(Socket raw, SSLSocket secured) throws IOException {
    this.raw = raw;
    this.secured = secured;
    this.input = secured.getInputStream();
    this.output = secured.getOutputStream();
  }

  static TlsStream open(
      InetSocketAddress address, String serverName, TlsOptions options, Deadline deadline)
      throws IOException {
    Socket raw = new Socket();
    try {
      raw.setTcpNoDelay(true);
      raw.setKeepAlive(true);
      raw.connect(address, deadline.remainingMillis());
      raw.setSoTimeout(deadline.remainingMillis());
      SSLSocket secured =
          (SSLSocket)
              options
                  .context()
                  .getSocketFactory()
                  .createSocket(raw, serverName, address.getPort(), true);
      verifyName(secured);
      secured.startHandshake();
      raw.setSoTimeout(0);
      return new TlsStream(raw, secured);
    } catch (IOException | RuntimeException failure) {
      raw.close();
      throw failure;
    }
  }

  /** Without it Java checks who signed the certificate, and not whose it is. */
  private static void verifyName(SSLSocket socket) {
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    socket.setSSLParameters(parameters);
  }

  @Override
  public int read(ByteBuffer buffer) throws IOException {
    int count = input.read(incoming, 0, Math.min(buffer.remaining(), incoming.length));
    if (count > 0) {
      buffer.put(incoming, 0, count);
    }
    return count;
  }

  @Override
  public void write(ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      int count = Math.min(buffer.remaining(), outgoing.length);
      buffer.get(outgoing, 0, count);
      output.write(outgoing, 0, count);
    }
  }

  /** The shortest wait there is for a byte: tickets of the session may still be there to read. */
  @Override
  public boolean isQuiet() throws IOException {
    secured.setSoTimeout(1);
    try {
      input.read();
      return false;
    } catch (SocketTimeoutException quiet) {
      return true;
    } finally {
      secured.setSoTimeout(0);
    }
  }

  /** Closes the socket below: TLS's own goodbye would wait for a writer that is stuck. */
  @Override
  public void close() {
    try {
      raw.close();
    } catch (IOException ignored) {
      // Nothing is owed to the peer, and the descriptor is released all the same.
    }
  }
}
