// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ScoringError;
import io.thriftscore.idl.ScoringService;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.thrift.TBase;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.transport.TMemoryBuffer;
import org.apache.thrift.transport.TMemoryInputTransport;

/**
 * A server that gives its first connection to `hostility` and answers every request on later ones
 * as it should: score_values with 7.0.
 */
final class HostileServer implements AutoCloseable {
  static final double ANSWER = 7.0;

  /** What to do with a connection; it is closed on return. */
  interface Hostility {
    void meet(Peer peer) throws Exception;
  }

  private final ServerSocket listener;
  private final Hostility first;
  private final Hostility later;
  private final AtomicInteger connections = new AtomicInteger();
  private final List<Socket> sockets = new CopyOnWriteArrayList<>();
  private final CountDownLatch closing = new CountDownLatch(1);

  HostileServer(Hostility hostility) throws IOException {
    this(listener(), hostility, HostileServer::behave);
  }

  private HostileServer(ServerSocket listener, Hostility first, Hostility later) {
    this.listener = listener;
    this.first = first;
    this.later = later;
    start(this::accept);
  }

  /** A server that deals with all its connections alike. */
  static HostileServer always(Hostility manner) throws IOException {
    return new HostileServer(listener(), manner, manner);
  }

  static HostileServer always(ServerSocket listener, Hostility manner) {
    return new HostileServer(listener, manner, manner);
  }

  private static ServerSocket listener() throws IOException {
    return new ServerSocket(0, 200, InetAddress.getLoopbackAddress());
  }

  String endpoint() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  int connections() {
    return connections.get();
  }

  private static void start(Runnable task) {
    Thread thread = new Thread(task, "hostile-server");
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket socket = listener.accept();
        sockets.add(socket);
        Hostility manner = connections.getAndIncrement() == 0 ? first : later;
        start(() -> serve(socket, manner));
      } catch (IOException closed) {
        return;
      }
    }
  }

  private void serve(Socket socket, Hostility manner) {
    try (socket) {
      manner.meet(new Peer(socket, closing));
    } catch (Exception gone) {
      // The client has hung up, as most of these tests want it to.
    }
  }

  static void behave(Peer peer) throws Exception {
    while (true) {
      peer.send(frame(answer(peer.receive())));
    }
  }

  static byte[] answer(TMessage call) throws TException {
    return message(new TMessage(call.name, TMessageType.REPLY, call.seqid), success(ANSWER));
  }

  /** Answers every call of score_values with the first of its values, after `pause`. */
  static Hostility echo(Pause pause) {
    return peer -> {
      while (true) {
        var arguments = new ScoringService.score_values_args();
        TMessage call = peer.receive(arguments);
        double value = arguments.getValues().get(0);
        pause.before(value);
        var reply = new TMessage(call.name, TMessageType.REPLY, call.seqid);
        peer.send(frame(message(reply, success(value))));
      }
    };
  }

  /** How long a server takes. */
  interface Pause {
    void before(double value) throws InterruptedException;
  }

  /** Answers every call with an error. */
  static Hostility refuse(ScoringError error) {
    return peer -> {
      while (true) {
        peer.send(frame(error(peer.receive(), error)));
      }
    };
  }

  static byte[] error(TMessage call, ScoringError error) throws TException {
    var result = new ScoringService.score_values_result();
    result.setError(error);
    return message(new TMessage(call.name, TMessageType.REPLY, call.seqid), result);
  }

  static TBase<?, ?> success(double value) {
    var result = new ScoringService.score_values_result();
    result.setSuccess(List.of(value));
    return result;
  }

  static byte[] message(TMessage begin, TBase<?, ?> body) throws TException {
    TMemoryBuffer memory = new TMemoryBuffer(64);
    TBinaryProtocol output = new TBinaryProtocol(memory);
    output.writeMessageBegin(begin);
    body.write(output);
    output.writeMessageEnd();
    return Arrays.copyOf(memory.getArray(), memory.length());
  }

  static byte[] frame(byte[] message) {
    ByteBuffer frame = ByteBuffer.allocate(4 + message.length);
    return frame.putInt(message.length).put(message).array();
  }

  @Override
  public void close() throws IOException {
    closing.countDown();
    listener.close();
    for (Socket socket : sockets) {
      socket.close();
    }
  }

  /** The server's side of one connection. */
  record Peer(Socket socket, CountDownLatch closing) {

    /** Reads one request and returns how it begins. */
    TMessage receive() throws IOException, TException {
      return receive(new ScoringService.score_values_args());
    }

    /** Reads one request with its arguments and returns how it begins. */
    TMessage receive(TBase<?, ?> arguments) throws IOException, TException {
      DataInputStream input = new DataInputStream(socket.getInputStream());
      byte[] frame = new byte[input.readInt()];
      input.readFully(frame);
      TBinaryProtocol protocol = new TBinaryProtocol(new TMemoryInputTransport(frame));
      TMessage begin = protocol.readMessageBegin();
      arguments.read(protocol);
      return begin;
    }

    void send(byte[] bytes) throws IOException {
      OutputStream output = socket.getOutputStream();
      output.write(bytes);
      output.flush();
    }

    /** Sends as the bytes of one write. */
    void send(byte[] first, byte[] second) throws IOException {
      ByteArrayOutputStream both = new ByteArrayOutputStream();
      both.write(first);
      both.write(second);
      send(both.toByteArray());
    }

    /** Sends byte after byte until the client hangs up or the server closes. */
    void drip(byte[] bytes, long pauseMillis) throws IOException, InterruptedException {
      for (byte value : bytes) {
        send(new byte[] {value});
        if (closing.await(pauseMillis, TimeUnit.MILLISECONDS)) {
          return;
        }
      }
      stall();
    }

    /** Keeps the connection open and says nothing. */
    void stall() throws InterruptedException {
      closing.await();
    }

    void reset() throws IOException {
      socket.setSoLinger(true, 0);
      socket.close();
    }

    /** Returns once the client has closed its side. */
    void awaitHangUp() throws IOException {
      while (socket.getInputStream().read() >= 0) {
        // Whatever still comes does not matter.
      }
    }
  }
}
