// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.samples;

import com.sun.management.ThreadMXBean;
import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.ThriftscoreClient;
import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoringService;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.transport.TSocket;
import org.apache.thrift.transport.TTransport;
import org.apache.thrift.transport.layered.TFramedTransport;

/**
 * This client against the stock one (generated code over a framed socket, one for each caller, no
 * time limits), with one caller and with many. All four are warmed up for the same time, until the
 * machine code of all is there; then rounds take turns, and they and their medians are reported as
 * one line of JSON.
 */
final class Comparison {
  private static final int MANY = 16;
  private static final int CALLS_EXPECTED = 1 << 16;
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_SECOND = 1e9;
  private static final ThreadMXBean MEMORY =
      (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** Makes one call. */
  private interface Caller extends AutoCloseable {
    void call() throws TException;

    @Override
    default void close() {}
  }

  /** Makes callers, of which each belongs to one thread. */
  private interface Callers {
    Caller next() throws TException;
  }

  /** What one round, or the median of several, came to. */
  private record Round(double callsPerSecond, double p50Micros, double bytesPerCall) {}

  /** The nanoseconds of each call of one caller, and the bytes its thread allocated for them. */
  private record Calls(long[] nanos, long bytes) {}

  private final String host;
  private final int port;
  private final String model;
  private final float[] row;
  private final double seconds;
  private final double warmUpSeconds;

  private Comparison(Map<String, String> flags) {
    String endpoint = flags.get("--endpoint");
    int colon = endpoint.lastIndexOf(':');
    this.host = endpoint.substring(0, colon);
    this.port = Integer.parseInt(endpoint.substring(colon + 1));
    this.model = flags.get("--model");
    this.row = CsvRows.parse(flags.get("--row"));
    this.seconds = Double.parseDouble(flags.get("--seconds"));
    this.warmUpSeconds = Double.parseDouble(flags.get("--warm-up"));
  }

  static String run(Map<String, String> flags)
      throws TException, InterruptedException, ExecutionException {
    Comparison comparison = new Comparison(flags);
    String endpoint = flags.get("--endpoint");
    ExecutorService threads = Executors.newFixedThreadPool(MANY);
    // Long enough that a machine which is busy otherwise ends no run.
    ClientOptions options = ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(5));
    try (var client = ThriftscoreClient.connect(endpoint, options)) {
      Callers ours = () -> () -> client.score(comparison.model, comparison.row);
      return comparison.compare(threads, ours, Integer.parseInt(flags.get("--rounds")));
    } finally {
      threads.shutdownNow();
    }
  }

  private String compare(ExecutorService threads, Callers ours, int rounds)
      throws InterruptedException, ExecutionException, TException {
    List<List<Round>> measured = new ArrayList<>();
    for (int kind = 0; kind < 4; kind++) {
      measured.add(new ArrayList<>());
    }
    int[] counts = {1, MANY};
    for (int count : counts) {
      measure(threads, ours, count, warmUpSeconds);
      measure(threads, this::stock, count, warmUpSeconds);
    }
    for (int round = 0; round < rounds; round++) {
      for (int count : counts) {
        // Who goes first changes from round to round.
        for (int turn = 0; turn < 2; turn++) {
          int kind = (round + turn) & 1;
          Round one = measure(threads, kind == 0 ? ours : this::stock, count, seconds);
          measured.get(count == 1 ? kind : 2 + kind).add(one);
        }
      }
    }
    return json(measured);
  }

  private Caller stock() throws TException {
    TTransport transport = new TFramedTransport(new TSocket(host, port));
    transport.open();
    var client = new ScoringService.Client(new TBinaryProtocol(transport, true, true));
    return new Caller() {
      @Override
      public void call() throws TException {
        ByteBuffer features =
            ByteBuffer.allocate(row.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        features.asFloatBuffer().put(row);
        ScoreRequest request = new ScoreRequest().setModel_name(model).setFeatures(features);
        byte[] scores = client.score(request.setDatatype(DataType.FP32)).getScores();
        float[] values = new float[scores.length / Float.BYTES];
        ByteBuffer.wrap(scores).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
      }

      @Override
      public void close() {
        transport.close();
      }
    };
  }

  private Round measure(ExecutorService threads, Callers callers, int count, double duration)
      throws InterruptedException, ExecutionException, TException {
    CountDownLatch start = new CountDownLatch(1);
    List<Future<Calls>> running = new ArrayList<>();
    for (int index = 0; index < count; index++) {
      Caller caller = callers.next();
      running.add(threads.submit(() -> measure(caller, start, duration)));
    }
    long begin = System.nanoTime();
    start.countDown();
    List<Calls> all = new ArrayList<>();
    for (Future<Calls> one : running) {
      all.add(one.get());
    }
    double elapsed = (System.nanoTime() - begin) / NANOS_PER_SECOND;
    long[] nanos = all.stream().flatMapToLong(one -> Arrays.stream(one.nanos)).sorted().toArray();
    double bytes = all.stream().mapToDouble(Calls::bytes).sum();
    double p50 = nanos[nanos.length / 2] / NANOS_PER_MICRO;
    return new Round(nanos.length / elapsed, p50, bytes / nanos.length);
  }

  /** Calls for so many seconds. */
  private static Calls measure(Caller caller, CountDownLatch start, double duration)
      throws TException, InterruptedException {
    try (caller) {
      long[] nanos = new long[CALLS_EXPECTED];
      int calls = 0;
      start.await();
      long allocated = MEMORY.getCurrentThreadAllocatedBytes();
      long ownBytes = 0;
      long now = System.nanoTime();
      long end = now + (long) (duration * NANOS_PER_SECOND);
      while (now - end < 0) {
        if (calls == nanos.length) {
          nanos = Arrays.copyOf(nanos, 2 * calls);
          ownBytes += (long) nanos.length * Long.BYTES;
        }
        long begin = now;
        caller.call();
        now = System.nanoTime();
        nanos[calls++] = now - begin;
      }
      long bytes = MEMORY.getCurrentThreadAllocatedBytes() - allocated - ownBytes;
      return new Calls(Arrays.copyOf(nanos, calls), bytes);
    }
  }

  private static Round median(List<Round> rounds) {
    return new Round(
        rounds.stream().mapToDouble(Round::callsPerSecond).sorted().toArray()[rounds.size() / 2],
        rounds.stream().mapToDouble(Round::p50Micros).sorted().toArray()[rounds.size() / 2],
        rounds.stream().mapToDouble(Round::bytesPerCall).sorted().toArray()[rounds.size() / 2]);
  }

  /** The rounds of each kind: this client and the stock one with one caller, both with many. */
  private static String json(List<List<Round>> measured) {
    List<Round> medians = measured.stream().map(Comparison::median).toList();
    List<String> samples = new ArrayList<>();
    StringBuilder text =
        new StringBuilder("{\"language\":\"java\",\"rounds\":" + measured.get(0).size());
    for (int kind = 0; kind < measured.size(); kind++) {
      String client = kind % 2 == 0 ? "ours" : "stock";
      int callers = kind < 2 ? 1 : MANY;
      text.append(String.format(",\"%s_%d\":{%s}", client, callers, fields(medians.get(kind))));
      for (int round = 0; round < measured.get(kind).size(); round++) {
        samples.add(
            String.format(
                "{\"client\":\"%s\",\"callers\":%d,\"round\":%d,%s}",
                client, callers, round + 1, fields(measured.get(kind).get(round))));
      }
    }
    return text.append(ratio("1", medians.get(0), medians.get(1)))
        .append(ratio("16", medians.get(2), medians.get(3)))
        .append(",\"samples\":[" + String.join(",", samples) + "]}")
        .toString();
  }

  private static String fields(Round round) {
    return String.format(
        Locale.ROOT,
        "\"calls_per_s\":%.0f,\"p50_us\":%.1f,\"allocated_bytes_per_call\":%.0f",
        round.callsPerSecond(), round.p50Micros(), round.bytesPerCall());
  }

  private static String ratio(String callers, Round ours, Round stock) {
    return String.format(
        Locale.ROOT,
        ",\"throughput_ratio_%s\":%.2f,\"p50_ratio_%s\":%.2f",
        callers, ours.callsPerSecond() / stock.callsPerSecond(),
        callers, ours.p50Micros() / stock.p50Micros());
  }
}
