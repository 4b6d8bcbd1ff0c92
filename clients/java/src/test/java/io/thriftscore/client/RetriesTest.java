// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.ScoringError;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RetriesTest {
  private static final double[] ANSWER = {HostileServer.ANSWER};
  private static final ScoringError OVERLOADED =
      new ScoringError().setCode(ErrorCode.OVERLOADED).setMessage("full").setRetryable(true);

  /** Remembers what it is told. */
  private static final class Memory implements CallObserver {
    private final List<Call> calls = new CopyOnWriteArrayList<>();
    private final List<Attempt> attempts = new CopyOnWriteArrayList<>();

    @Override
    public void onCall(Call call) {
      calls.add(call);
    }

    @Override
    public void onAttempt(Attempt attempt) {
      attempts.add(attempt);
    }
  }

  private final Memory memory = new Memory();
  private final ClientOptions options =
      ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(15)).withObserver(memory);

  @Test
  void triesAgainAfterALostConnection() throws Exception {
    try (HostileServer server = new HostileServer(peer -> peer.receive());
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      assertArrayEquals(ANSWER, client.scoreValues("iris", 1));
    }
    List<Integer> numbers = memory.attempts.stream().map(CallObserver.Attempt::number).toList();
    assertEquals(List.of(1, 2), numbers);
    assertEquals(
        TransportException.ConnectionLost.class, memory.attempts.get(0).error().getClass());
    assertEquals(2, memory.calls.get(0).attempts());
    assertEquals("score_values", memory.calls.get(0).method());
    assertEquals("iris", memory.calls.get(0).model());
  }

  @Test
  void goesToAnotherServerWhenOneIsNotThere() throws Exception {
    int closed = closedPort();
    try (HostileServer server = HostileServer.always(HostileServer::behave);
        ThriftscoreClient client =
            ThriftscoreClient.connect("127.0.0.1:" + closed + "," + server.endpoint(), options)) {
      for (int call = 0; call < 50; call++) {
        assertArrayEquals(ANSWER, client.scoreValues("iris", 1));
      }
    }
    assertTrue(memory.attempts.size() >= 50);
  }

  @Test
  void countsAttemptsInTheError() throws Exception {
    try (HostileServer server = HostileServer.always(HostileServer.refuse(OVERLOADED));
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      var error =
          assertThrows(ServerException.Overloaded.class, () -> client.scoreValues("iris", 1));
      assertEquals(3, error.attempts());
      assertTrue(error.getMessage().contains("attempt 3"), error.getMessage());
    }
  }

  @Test
  void neverTriesAgainWhatCannotHelp() throws Exception {
    ScoringError wrong = new ScoringError().setCode(ErrorCode.INVALID_ARGUMENT);
    try (HostileServer server = HostileServer.always(HostileServer.refuse(wrong));
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      assertThrows(ServerException.InvalidArgument.class, () -> client.scoreValues("iris", 1));
    }
    assertEquals(1, memory.attempts.size());
  }

  @Test
  void neverTriesAgainAfterATimeout() throws Exception {
    ClientOptions brief = options.withTimeout(Duration.ofMillis(100));
    try (HostileServer server = HostileServer.always(peer -> peer.stall());
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), brief)) {
      assertThrows(
          TransportException.CallTimedOut.class, () -> client.scoreValues("iris", 1));
    }
    assertEquals(1, memory.attempts.size());
  }

  @Test
  void waitsAsLongAsTheOnlyServerAsks() throws Exception {
    ScoringError later = OVERLOADED.deepCopy().setRetry_after_ms(200);
    long begin = System.nanoTime();
    try (HostileServer server = HostileServer.always(HostileServer.refuse(later));
        ThriftscoreClient client =
            ThriftscoreClient.connect(server.endpoint(), options.withAttemptsMax(2))) {
      assertThrows(ServerException.Overloaded.class, () -> client.scoreValues("iris", 1));
    }
    assertEquals(2, memory.attempts.size());
    assertTrue(System.nanoTime() - begin >= Duration.ofMillis(200).toNanos());
  }

  @Test
  void failsAtOnceWhenTheServerAsksForMoreThanIsLeft() throws Exception {
    ScoringError later = OVERLOADED.deepCopy().setRetry_after_ms(60_000);
    try (HostileServer server = HostileServer.always(HostileServer.refuse(later));
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      assertThrows(ServerException.Overloaded.class, () -> client.scoreValues("iris", 1));
    }
    assertEquals(1, memory.attempts.size());
  }

  @Test
  void addsLittleLoadToServersThatAllRefuse() throws Exception {
    int calls = 500;
    try (HostileServer one = HostileServer.always(HostileServer.refuse(OVERLOADED));
        HostileServer two = HostileServer.always(HostileServer.refuse(OVERLOADED));
        ThriftscoreClient client =
            ThriftscoreClient.connect(List.of(one.endpoint(), two.endpoint()), options)) {
      for (int call = 0; call < calls; call++) {
        assertThrows(ServerException.Overloaded.class, () -> client.scoreValues("iris", 1));
      }
    }
    assertTrue(memory.attempts.size() <= 1.2 * calls, memory.attempts.size() + " attempts");
  }

  @Test
  void takesAServerOutOfServiceAndBackIn() throws Exception {
    AtomicInteger refusals = new AtomicInteger();
    ScoringError draining =
        new ScoringError().setCode(ErrorCode.UNAVAILABLE).setRetryable(true);
    HostileServer.Hostility moody =
        peer -> {
          if (refusals.getAndIncrement() == 0) {
            var begin = peer.receive();
            peer.send(HostileServer.frame(HostileServer.error(begin, draining)));
          }
          HostileServer.behave(peer);
        };
    try (HostileServer one = HostileServer.always(moody);
        HostileServer two = HostileServer.always(HostileServer::behave);
        ThriftscoreClient client =
            ThriftscoreClient.connect(List.of(one.endpoint(), two.endpoint()), options)) {
      awaitCalls(client, one.endpoint(), true);
      awaitCalls(client, one.endpoint(), false);
    }
  }

  /** Calls until an attempt at the endpoint has failed, or has succeeded. */
  private void awaitCalls(ThriftscoreClient client, String endpoint, boolean failed) {
    while (memory.attempts.stream()
        .noneMatch(one -> one.endpoint().equals(endpoint) && (one.error() != null) == failed)) {
      assertArrayEquals(ANSWER, client.scoreValues("iris", 1));
    }
  }

  @Test
  void asksASecondServerWhenTheFirstIsSlow() throws Exception {
    ClientOptions hedged = options.withHedgeAfter(Duration.ofMillis(20));
    try (HostileServer slow = HostileServer.always(peer -> peer.stall());
        HostileServer quick = HostileServer.always(HostileServer::behave);
        ThriftscoreClient client =
            ThriftscoreClient.connect(List.of(slow.endpoint(), quick.endpoint()), hedged)) {
      for (int call = 0; call < 10; call++) {
        assertArrayEquals(ANSWER, client.scoreValues("iris", 1));
      }
    }
    assertEquals(10, memory.calls.size());
  }

  @Test
  void findsAServerThatHasMoved() throws Exception {
    try (HostileServer old = HostileServer.always(HostileServer::behave);
        HostileServer moved = HostileServer.always(HostileServer::behave)) {
      List<String> current = new CopyOnWriteArrayList<>(List.of(old.endpoint()));
      Directory.Resolver resolver = name -> Endpoint.parse(current.get(0)).resolve();
      ClientOptions eager = options.withResolveInterval(Duration.ofMillis(10));
      try (ThriftscoreClient client =
          ThriftscoreClient.connect(List.of("scores.example:9090"), eager, resolver)) {
        client.scoreValues("iris", 1);
        current.set(0, moved.endpoint());
        while (moved.connections() == 0) {
          assertArrayEquals(ANSWER, client.scoreValues("iris", 1));
        }
      }
    }
  }

  private static int closedPort() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return listener.getLocalPort();
    }
  }
}
