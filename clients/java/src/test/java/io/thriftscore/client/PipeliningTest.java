// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static io.thriftscore.client.HostileServer.frame;
import static io.thriftscore.client.HostileServer.message;
import static io.thriftscore.client.HostileServer.success;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.ScoringService;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PipeliningTest {
  private static final int CALLS = 6;
  private static final ClientOptions ONE_CONNECTION =
      ClientOptions.DEFAULT
          .withTimeout(Duration.ofSeconds(15))
          .withAttemptsMax(1)
          .withConnectionsMax(1);

  /** A request as a server sees it. */
  private record Asked(TMessage call, double value) {
    byte[] answer() throws Exception {
      var reply = new TMessage(call.name, TMessageType.REPLY, call.seqid);
      return frame(message(reply, success(value)));
    }
  }

  private static Asked ask(HostileServer.Peer peer) throws Exception {
    var arguments = new ScoringService.score_values_args();
    TMessage call = peer.receive(arguments);
    return new Asked(call, arguments.getValues().get(0));
  }

  private static List<Asked> askAll(HostileServer.Peer peer) throws Exception {
    List<Asked> asked = new ArrayList<>();
    while (asked.size() < CALLS) {
      asked.add(ask(peer));
    }
    return asked;
  }

  @Test
  void givesEachCallItsAnswerInWhateverOrderTheyCome() throws Exception {
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  List<Asked> asked = askAll(peer);
                  Collections.reverse(asked);
                  for (Asked one : asked) {
                    peer.send(one.answer());
                  }
                  peer.stall();
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION)) {
      var calls =
          IntStream.range(0, CALLS)
              .mapToObj(
                  call ->
                      CompletableFuture.supplyAsync(
                          () -> client.scoreValues("iris", call)[0], PipeliningTest::start))
              .toList();
      for (int call = 0; call < CALLS; call++) {
        assertEquals(call, calls.get(call).get());
      }
      assertEquals(1, server.connections());
    }
  }

  private static void start(Runnable task) {
    Thread thread = new Thread(task);
    thread.setDaemon(true);
    thread.start();
  }

  @Test
  void failsAllCallsOfAConnectionThatBringsNonsense() throws Exception {
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  askAll(peer);
                  peer.send(frame(new byte[] {1, 2, 3, 4, 5, 6, 7, 8}));
                  peer.stall();
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION)) {
      var calls = IntStream.range(0, CALLS).mapToObj(call -> future(client, call)).toList();
      for (CompletableFuture<double[]> call : calls) {
        assertEquals(TransportException.ProtocolViolation.class, failure(call).getClass());
      }
      assertEquals(HostileServer.ANSWER, client.scoreValues("iris", 1)[0]);
    }
  }

  private static CompletableFuture<double[]> future(ThriftscoreClient client, double value) {
    return client.async().scoreValues("iris", value);
  }

  private static Throwable failure(CompletableFuture<double[]> call) {
    return assertThrows(CompletionException.class, call::join).getCause();
  }

  @Test
  void lateCallsLeaveTheOthersTheirConnection() throws Exception {
    CountDownLatch late = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  Asked slow = new Asked(peer.receive(), -1);
                  Asked other = ask(peer);
                  late.await();
                  peer.send(slow.answer());
                  peer.send(other.answer());
                  peer.awaitHangUp();
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION)) {
      CallOptions brief = CallOptions.DEFAULT.withTimeout(Duration.ofMillis(200));
      var slow = client.async().score("iris", Matrix.of(new float[1]), brief);
      var other = future(client, 5);
      var error = assertThrows(CompletionException.class, slow::join).getCause();
      assertEquals(TransportException.CallTimedOut.class, error.getClass());
      late.countDown();
      assertEquals(5, other.get()[0]);
      // The connection on which a call was late takes no more of them.
      assertEquals(HostileServer.ANSWER, client.scoreValues("iris", 1)[0]);
      assertEquals(2, server.connections());
    }
  }

  @Test
  void cancelledCallsLeaveTheConnectionInService() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch cancelled = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  Asked first = ask(peer);
                  asked.countDown();
                  cancelled.await();
                  peer.send(first.answer());
                  while (true) {
                    peer.send(ask(peer).answer());
                  }
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION)) {
      var call = future(client, 1);
      assertTrue(asked.await(10, TimeUnit.SECONDS));
      assertTrue(call.cancel(true));
      cancelled.countDown();
      assertEquals(2, client.scoreValues("iris", 2)[0]);
      assertEquals(3, client.scoreValues("iris", 3)[0]);
      assertEquals(1, server.connections());
    }
  }

  /** Wherever the interrupt finds it: waiting, reading, or writing what others wait for too. */
  @Test
  void anInterruptedCallLeavesTheOthersTheirAnswers() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch interrupted = new CountDownLatch(1);
    HostileServer.Pause untilInterrupted =
        value -> {
          asked.countDown();
          interrupted.await();
        };
    try (HostileServer server = HostileServer.always(HostileServer.echo(untilInterrupted));
        ThriftscoreClient client =
            ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION.withAttemptsMax(3))) {
      var others = IntStream.range(1, CALLS).mapToObj(call -> future(client, call)).toList();
      CompletableFuture<Throwable> failure = new CompletableFuture<>();
      Thread caller =
          new Thread(
              () -> {
                try {
                  client.scoreValues("iris", 0);
                } catch (RuntimeException error) {
                  failure.complete(error);
                }
              });
      caller.start();
      assertTrue(asked.await(10, TimeUnit.SECONDS));
      caller.interrupt();
      assertEquals(TransportException.ConnectionLost.class, failure.get().getClass());
      interrupted.countDown();
      caller.join();
      for (int call = 1; call < CALLS; call++) {
        assertEquals(call, others.get(call - 1).get()[0]);
      }
    }
  }

  @Test
  void closesConnectionsThatNobodyUses() throws Exception {
    CountDownLatch hungUp = new CountDownLatch(1);
    ClientOptions brief = ONE_CONNECTION.withIdleTimeout(Duration.ofMillis(1));
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  peer.send(ask(peer).answer());
                  peer.awaitHangUp();
                  hungUp.countDown();
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), brief)) {
      client.scoreValues("iris", 1);
      assertTrue(hungUp.await(10, TimeUnit.SECONDS));
      assertEquals(HostileServer.ANSWER, client.scoreValues("iris", 1)[0]);
    }
  }

  @Test
  void replacesConnectionsThatAreOld() throws Exception {
    ClientOptions brief = ONE_CONNECTION.withConnectionAgeMax(Duration.ofMillis(1));
    try (HostileServer server = HostileServer.always(HostileServer::behave);
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), brief)) {
      while (server.connections() < 3) {
        assertEquals(HostileServer.ANSWER, client.scoreValues("iris", 1)[0]);
      }
    }
  }

  @Test
  void waitsForCallsInProgressWhenItIsClosed() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch closing = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  Asked one = ask(peer);
                  asked.countDown();
                  closing.await();
                  peer.send(one.answer());
                  peer.stall();
                })) {
      ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), ONE_CONNECTION);
      var call = future(client, 7);
      assertTrue(asked.await(10, TimeUnit.SECONDS));
      CompletableFuture<Void> closed = CompletableFuture.runAsync(client::close);
      assertFalse(call.isDone());
      closing.countDown();
      closed.get();
      assertEquals(7, call.get()[0]);
      assertThrows(IllegalStateException.class, () -> future(client, 1));
    }
  }
}
