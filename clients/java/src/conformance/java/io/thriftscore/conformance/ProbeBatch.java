// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.CallObserver;
import io.thriftscore.client.CallOptions;
import io.thriftscore.client.ClientOptions;
import io.thriftscore.client.Matrix;
import io.thriftscore.client.ScoreResult;
import io.thriftscore.client.ThriftscoreClient;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Scores a file of little-endian float32 rows by one call of the batch method, and writes the
 * scores as little-endian float64.
 */
final class ProbeBatch {
  private static final double NANOS_PER_SECOND = 1e9;

  private final Map<String, String> flags;
  private final int columns;

  ProbeBatch(Map<String, String> flags) {
    this.flags = flags;
    this.columns = Integer.parseInt(flags.getOrDefault("columns", "0"));
  }

  boolean isComplete() {
    return columns > 0 && flags.containsKey("batch-output");
  }

  /** The summary. */
  ObjectNode run(ClientOptions options) throws IOException {
    byte[] content = Files.readAllBytes(Path.of(flags.get("batch-input")));
    if (content.length % (columns * Float.BYTES) != 0) {
      throw new IOException(content.length + " bytes are no rows of " + columns + " columns");
    }
    ByteBuffer rows = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    Matrix features = Matrix.of(rows.asFloatBuffer(), columns);
    AttemptCount attempts = new AttemptCount();
    List<String> endpoints = List.of(flags.get("endpoints"));
    try (ThriftscoreClient client =
        ThriftscoreClient.create(endpoints, options.withObserver(attempts))) {
      long begin = System.nanoTime();
      ScoreResult result = client.scoreBatch(flags.get("model"), features, CallOptions.DEFAULT);
      double seconds = (System.nanoTime() - begin) / NANOS_PER_SECOND;
      Files.write(Path.of(flags.get("batch-output")), encode(result.scores()));
      ObjectNode line = new ObjectMapper().createObjectNode();
      line.put("rows", result.scores().rows()).put("columns", result.scores().columns());
      line.put("model_version", result.modelVersion()).put("seconds", seconds);
      return line.put("attempts", attempts.count.get());
    }
  }

  private static byte[] encode(Matrix scores) {
    ByteBuffer bytes = ByteBuffer.allocate(scores.rows() * scores.columns() * Double.BYTES);
    bytes.order(ByteOrder.LITTLE_ENDIAN);
    for (int row = 0; row < scores.rows(); row++) {
      for (int column = 0; column < scores.columns(); column++) {
        bytes.putDouble(scores.get(row, column));
      }
    }
    return bytes.array();
  }

  private static final class AttemptCount implements CallObserver {
    private final AtomicLong count = new AtomicLong();

    @Override
    public void onCall(Call call) {
      count.addAndGet(call.attempts());
    }
  }
}
