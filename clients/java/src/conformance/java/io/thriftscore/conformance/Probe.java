// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.CallObserver;
import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.ServerException;
import io.thriftscore.client.ThriftscoreClient;
import io.thriftscore.client.ThriftscoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Makes many calls, each with a row [k, 1] of its own, and says how they ended: whether each got
 * the answer that is its own, k + 1, after how many attempts, and how long it took.
 */
public final class Probe {
  private static final int NUMBERS = 65_536;
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;
  private static final String OK = "OK";

  private final ObjectMapper json = new ObjectMapper();
  private final Map<String, String> flags;
  private final long callsMax;
  private final long end;
  private final AtomicLong started = new AtomicLong();

  // Guarded by the lock of this object.
  private final Map<String, Long> outcomes = new TreeMap<>();
  private long calls;
  private long wrong;
  private long attempts;
  private double slowestMillis;

  private Probe(Map<String, String> flags) {
    this.flags = flags;
    this.callsMax = Long.parseLong(flags.getOrDefault("calls", "" + Long.MAX_VALUE));
    double seconds = Double.parseDouble(flags.getOrDefault("seconds", "1e9"));
    this.end = System.nanoTime() + (long) (seconds * NANOS_PER_SECOND);
  }

  public static void main(String[] arguments) throws InterruptedException, IOException {
    Map<String, String> flags = Flags.of(arguments);
    ProbeBatch batch = new ProbeBatch(flags);
    if (flags.containsKey("batch-input") && flags.containsKey("model") && batch.isComplete()) {
      System.out.println(batch.run(new Probe(flags).options()));
      return;
    }
    if (!flags.containsKey("endpoints")
        || !flags.containsKey("model")
        || flags.containsKey("calls") == flags.containsKey("seconds")) {
      System.err.println(
          "usage: probe --endpoints A[,B] --model M --calls N | --seconds S [--callers C]"
              + " [--timeout-ms T] [--attempts K] [--pipelined 1|0] [--expect-sum] [--each]"
              + " | --batch-input FILE --columns C --batch-output FILE");
      System.exit(2);
    }
    new Probe(flags).run();
  }

  private void run() throws InterruptedException {
    int callers = Integer.parseInt(flags.getOrDefault("callers", "1"));
    long begin = System.nanoTime();
    List<String> endpoints = List.of(flags.get("endpoints"));
    try (ThriftscoreClient client = ThriftscoreClient.create(endpoints, options())) {
      ExecutorService threads = Executors.newFixedThreadPool(callers);
      for (int caller = 0; caller < callers; caller++) {
        int number = caller;
        threads.execute(() -> call(client, number));
      }
      threads.shutdown();
      threads.awaitTermination(Long.MAX_VALUE, TimeUnit.NANOSECONDS);
    }
    System.out.println(summary((System.nanoTime() - begin) / NANOS_PER_SECOND));
  }

  private ClientOptions options() {
    long timeout = Long.parseLong(flags.getOrDefault("timeout-ms", "1000"));
    ClientOptions options =
        ClientOptions.DEFAULT
            .withTimeout(Duration.ofMillis(timeout))
            .withAttemptsMax(Integer.parseInt(flags.getOrDefault("attempts", "3")))
            .withObserver(new LastAttempts());
    return flags.getOrDefault("pipelined", "1").equals("1")
        ? options.withConnectionsMax(2) // so that calls do share them
        : options.withCallsPerConnectionMax(1);
  }

  /** The observer is told in the thread that calls. */
  private static final class LastAttempts implements CallObserver {
    private static final ThreadLocal<Integer> COUNT = ThreadLocal.withInitial(() -> 0);

    @Override
    public void onCall(Call call) {
      COUNT.set(call.attempts());
    }
  }

  private void call(ThriftscoreClient client, int caller) {
    for (int number = 0; started.getAndIncrement() < callsMax; number++) {
      if (System.nanoTime() >= end) {
        return;
      }
      float k = (float) caller * NUMBERS + number % NUMBERS;
      long begin = System.nanoTime();
      String outcome = OK;
      String message = "";
      boolean correct = false;
      try {
        double score = client.score(flags.get("model"), new float[] {k, 1}).scores().get(0, 0);
        correct = score == k + 1 || !flags.containsKey("expect-sum");
      } catch (ThriftscoreException error) {
        outcome = name(error);
        message = error.getMessage();
      }
      double millis = (System.nanoTime() - begin) / NANOS_PER_MILLI;
      record(new Ended(outcome, correct, millis, LastAttempts.COUNT.get(), message));
    }
  }

  /** How one call ended. */
  private record Ended(
      String outcome, boolean correct, double millis, int attempts, String message) {}

  private static String name(ThriftscoreException error) {
    return error instanceof ServerException answer
        ? answer.code().name()
        : error.getClass().getSimpleName();
  }

  private synchronized void record(Ended call) {
    boolean ok = call.outcome().equals(OK);
    calls++;
    wrong += ok && !call.correct() ? 1 : 0;
    attempts += call.attempts();
    slowestMillis = Math.max(slowestMillis, call.millis());
    outcomes.merge(call.outcome(), 1L, Long::sum);
    if (flags.containsKey("each")) {
      ObjectNode line = json.createObjectNode();
      line.put("ok", ok).put("correct", call.correct()).put("outcome", call.outcome());
      line.put("ms", call.millis()).put("attempts", call.attempts());
      System.out.println(line.put("message", call.message()));
    }
  }

  private synchronized ObjectNode summary(double seconds) {
    long ok = outcomes.getOrDefault(OK, 0L);
    ObjectNode line = json.createObjectNode();
    line.put("calls", calls).put("ok", ok).put("failed", calls - ok).put("wrong", wrong);
    line.put("attempts", attempts);
    ObjectNode counts = line.putObject("outcomes").put(OK, ok);
    outcomes.forEach(counts::put);
    return line.put("ms_max", slowestMillis).put("calls_per_s", calls / seconds);
  }
}
