// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Replies that come after their callers have left must not reach the callers that came after. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LateReplyTest {
  private static final int THREADS = 50;
  private static final int CALLS_PER_THREAD = 2_000;

  /** Every eighth answer comes after its caller's timeout. */
  private static final int LATE_EVERY = 20;

  private final AtomicInteger answered = new AtomicInteger();
  private final AtomicInteger timedOut = new AtomicInteger();

  @Test
  void neverReachesAnotherCall() throws Exception {
    ClientOptions options =
        ClientOptions.DEFAULT
            .withTimeout(Duration.ofMillis(25))
            .withConnectTimeout(Duration.ofSeconds(5))
            .withAttemptsMax(1)
            .withConnectionsMax(8);
    HostileServer.Pause lateness =
        value -> {
          if (value % LATE_EVERY == 0) {
            TimeUnit.MILLISECONDS.sleep(30);
          }
        };
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try (HostileServer server = HostileServer.always(HostileServer.echo(lateness));
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      List<Future<?>> running = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        int first = thread * CALLS_PER_THREAD;
        running.add(threads.submit(() -> expectOwnAnswers(client, first)));
      }
      for (Future<?> one : running) {
        one.get();
      }
    } finally {
      threads.shutdownNow();
    }
    assertTrue(answered.get() > 0 && timedOut.get() > 0, answered + " in time, " + timedOut);
  }

  private void expectOwnAnswers(ThriftscoreClient client, int first) {
    for (int call = first; call < first + CALLS_PER_THREAD; call++) {
      try {
        assertEquals(call, client.scoreValues("echo", call)[0]);
        answered.incrementAndGet();
      } catch (TransportException.CallTimedOut
          | TransportException.ConnectionLost
          | TransportException.ConnectFailed late) {
        timedOut.incrementAndGet();
      }
    }
  }
}
