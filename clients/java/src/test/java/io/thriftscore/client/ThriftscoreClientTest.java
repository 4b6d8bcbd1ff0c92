// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static io.thriftscore.client.HostileServer.answer;
import static io.thriftscore.client.HostileServer.frame;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.RequestContext;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoringService;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ThriftscoreClientTest {
  private static final ClientOptions AMPLE =
      ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(15)).withAttemptsMax(1);

  @Test
  void sendsWhatTheCallSays() throws Exception {
    CallOptions call =
        CallOptions.DEFAULT
            .withVersion("canary")
            .withRequestId("r-1")
            .withTraceparent("00-trace-span-01")
            .withTimeout(Duration.ofSeconds(5));
    ScoreRequest request = sent(AMPLE.withAuthToken("token"), call, Matrix.of(new double[2][3]));
    assertEquals("iris", request.getModel_name());
    assertEquals("canary", request.getModel_version());
    assertEquals(DataType.FP64, request.getDatatype());
    assertEquals(3, request.getColumns());
    assertArrayEquals(new byte[2 * 3 * Double.BYTES], request.getFeatures());
    RequestContext context = request.getContext();
    assertEquals("r-1", context.getRequest_id());
    assertEquals("00-trace-span-01", context.getTraceparent());
    assertEquals("token", context.getAuth_token());
    int deadline = context.getDeadline_ms();
    assertTrue(deadline >= 1 && deadline <= 5000, "deadline_ms is " + deadline);
  }

  @Test
  void leavesOutWhatTheCallDoesNotSay() throws Exception {
    ScoreRequest request = sent(AMPLE, CallOptions.DEFAULT, Matrix.of(new float[0][]));
    assertEquals("", request.getModel_version());
    assertFalse(request.isSetColumns(), "a matrix without rows does not know its width");
    assertFalse(request.getContext().isSetRequest_id());
    assertFalse(request.getContext().isSetTraceparent());
    assertFalse(request.getContext().isSetAuth_token());
    int deadline = request.getContext().getDeadline_ms();
    assertTrue(deadline > 5000 && deadline <= 15_000, "deadline_ms is " + deadline);
  }

  @Test
  void timesOutWhileAnotherThreadsCallGoesOn() throws Exception {
    CountDownLatch received = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  peer.receive();
                  received.countDown();
                  peer.stall();
                });
        ThriftscoreClient client =
            ThriftscoreClient.connect(
                server.endpoint(), AMPLE.withCallsPerConnectionMax(1).withConnectionsMax(1))) {
      Thread first = new Thread(() -> client.scoreValues("slow", 1));
      first.setUncaughtExceptionHandler((thread, interrupted) -> { });
      first.start();
      assertTrue(received.await(10, TimeUnit.SECONDS));
      CallOptions brief = CallOptions.DEFAULT.withTimeout(Duration.ofMillis(100));
      var error =
          assertThrows(
              TransportException.CallTimedOut.class,
              () -> client.score("iris", Matrix.of(new float[1]), brief));
      assertTrue(error.getMessage().contains("other calls"), error.getMessage());
      first.interrupt();
      first.join();
    }
  }

  @Test
  void givesEachThreadItsOwnAnswer() throws Exception {
    try (HostileServer server = HostileServer.always(HostileServer.echo(value -> { }));
        ThriftscoreClient client =
            ThriftscoreClient.connect(server.endpoint(), AMPLE.withConnectionsMax(1))) {
      var threads =
          IntStream.range(0, 8)
              .mapToObj(thread -> CompletableFuture.runAsync(() -> expectEchoes(client, thread)))
              .toList();
      for (CompletableFuture<Void> thread : threads) {
        thread.get();
      }
      assertEquals(1, server.connections());
    }
  }

  @Test
  void refusesARequestAboveTheFrameLimit() throws Exception {
    try (HostileServer server = new HostileServer(peer -> peer.send(frame(answer(peer.receive()))));
        ThriftscoreClient client =
            ThriftscoreClient.connect(server.endpoint(), AMPLE.withFrameBytesMax(1000))) {
      Matrix features = Matrix.of(new float[250]);
      var error =
          assertThrows(IllegalArgumentException.class, () -> client.score("iris", features));
      assertTrue(error.getMessage().contains("1000 bytes"), error.getMessage());
      assertArrayEquals(
          new double[] {HostileServer.ANSWER}, client.scoreValues("iris", 1));
    }
  }

  @Test
  void saysWhereItCannotConnect() throws Exception {
    int port;
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = listener.getLocalPort();
    }
    var error =
        assertThrows(
            TransportException.ConnectFailed.class,
            () -> ThriftscoreClient.connect("127.0.0.1:" + port));
    assertEquals("127.0.0.1:" + port, error.endpoint());
    assertTrue(error.getMessage().contains("Connection refused"), error.getMessage());
    assertTrue(error.retryable());
  }

  @Test
  void makesNoCallOnceClosed() throws Exception {
    try (HostileServer server = new HostileServer(peer -> peer.stall())) {
      ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint());
      client.close();
      client.close();
      assertThrows(IllegalStateException.class, client::ping);
    }
  }

  /** The request that a server receives for this call. */
  private static ScoreRequest sent(ClientOptions options, CallOptions call, Matrix features)
      throws Exception {
    CompletableFuture<ScoreRequest> request = new CompletableFuture<>();
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  var arguments = new ScoringService.score_args();
                  peer.receive(arguments);
                  request.complete(arguments.getRequest());
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      assertThrows(
          TransportException.ConnectionLost.class, () -> client.score("iris", features, call));
      return request.get(10, TimeUnit.SECONDS);
    }
  }

  private static void expectEchoes(ThriftscoreClient client, int thread) {
    for (int call = 0; call < 200; call++) {
      double value = thread * 1000 + call;
      assertArrayEquals(new double[] {value}, client.scoreValues("echo", value));
    }
  }
}
