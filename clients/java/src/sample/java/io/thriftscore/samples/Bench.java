// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.samples;

import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.FloatMatrix;
import io.thriftscore.client.Matrix;
import io.thriftscore.client.ThriftscoreClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Scores a file as one batch and row by row, and reports scores and times as one line of JSON. */
final class Bench {
  private static final int WARM_UP_CALLS = 500;
  private static final int BATCHES = 20;
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_SECOND = 1e9;

  private final ThriftscoreClient client;
  private final String model;
  private final FloatMatrix rows;

  private Bench(ThriftscoreClient client, String model, FloatMatrix rows) {
    this.client = client;
    this.model = model;
    this.rows = rows;
  }

  static String run(String[] arguments) throws IOException {
    Map<String, String> flags = flags(arguments);
    FloatMatrix rows = CsvRows.read(Path.of(flags.get("--rows")));
    int single = Integer.parseInt(flags.get("--single"));
    if (single < 1) {
      throw new IllegalArgumentException("--single must be 1 or more, received " + single);
    }
    ClientOptions options = ClientOptions.DEFAULT.withTimeout(TIMEOUT);
    try (var client = ThriftscoreClient.connect(flags.get("--endpoint"), options)) {
      return new Bench(client, flags.get("--model"), rows).report(single);
    }
  }

  private static Map<String, String> flags(String[] arguments) {
    Map<String, String> flags = new HashMap<>(Map.of("--single", "2000"));
    for (int index = 0; index + 1 < arguments.length; index += 2) {
      flags.put(arguments[index], arguments[index + 1]);
    }
    for (String needed : new String[] {"--endpoint", "--model", "--rows"}) {
      if (!flags.containsKey(needed)) {
        throw new IllegalArgumentException("bench needs " + needed);
      }
    }
    return flags;
  }

  private String report(int single) {
    Matrix scores = client.score(model, rows).scores();
    scoreSingly(WARM_UP_CALLS);
    long[] nanos = scoreSingly(single);
    Arrays.sort(nanos);
    return String.format(
        Locale.ROOT,
        "{\"language\":\"java\",\"rows\":%d,\"scores\":%s,"
            + "\"p50_us\":%.1f,\"p99_us\":%.1f,\"rows_per_s\":%.0f}",
        rows.rows(),
        json(scores),
        percentile(nanos, 50) / NANOS_PER_MICRO,
        percentile(nanos, 99) / NANOS_PER_MICRO,
        batchRowsPerSecond());
  }

  /** Nanoseconds of each of `calls` calls with one row, cycling through the rows. */
  private long[] scoreSingly(int calls) {
    long[] nanos = new long[calls];
    int columns = rows.columns();
    for (int call = 0; call < calls; call++) {
      int start = call % rows.rows() * columns;
      float[] row = Arrays.copyOfRange(rows.data(), start, start + columns);
      long begin = System.nanoTime();
      client.score(model, row);
      nanos[call] = System.nanoTime() - begin;
    }
    return nanos;
  }

  private double batchRowsPerSecond() {
    long begin = System.nanoTime();
    for (int batch = 0; batch < BATCHES; batch++) {
      client.score(model, rows);
    }
    return (double) BATCHES * rows.rows() * NANOS_PER_SECOND / (System.nanoTime() - begin);
  }

  /** By nearest rank. */
  private static double percentile(long[] sorted, int percent) {
    return sorted[(int) Math.ceil(percent / 100.0 * sorted.length) - 1];
  }

  /** Every digit that a double needs; JSON has no word for NaN and the infinities. */
  private static String json(Matrix scores) {
    return IntStream.range(0, scores.rows())
        .mapToObj(
            row ->
                IntStream.range(0, scores.columns())
                    .mapToDouble(column -> scores.get(row, column))
                    .mapToObj(score -> Double.isFinite(score) ? "" + score : "\"" + score + "\"")
                    .collect(Collectors.joining(",", "[", "]")))
        .collect(Collectors.joining(",", "[", "]"));
  }
}
