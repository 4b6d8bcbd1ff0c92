// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ModelStatistics;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The model `linear` is 0.25, 0.625, … for these rows by arithmetic in float64. */
class RealServerTest {
  private static final double TOLERANCE = 1e-6;
  private static final float[][] ROWS = {{100f, 3f, 20f}, {150f, 4.5f, 30f}, {37.5f, 1f, 99f}};
  private static final double[] SCORES = {0.25, 0.625, 0.9666666666666667};
  private static final ClientOptions OPTIONS =
      ClientOptions.DEFAULT.withTimeout(Duration.ofSeconds(15));

  private static RealServer server;

  @BeforeAll
  static void startServer() throws Exception {
    server = RealServer.start();
  }

  @AfterAll
  static void stopServer() throws Exception {
    if (server != null) {
      server.stop();
    }
  }

  @ParameterizedTest
  @EnumSource
  void scoresRowsInBothProtocols(WireProtocol protocol) {
    try (ThriftscoreClient client = connect(OPTIONS.withProtocol(protocol))) {
      ScoreResult result = client.score("linear", ROWS);
      assertEquals("1", result.modelVersion());
      assertEquals(DataType.FP32, result.scores().datatype());
      assertArrayEquals(SCORES, column(result.scores()), TOLERANCE);
    }
  }

  @ParameterizedTest
  @EnumSource
  void scoresRowsWithoutFrames(WireProtocol protocol) {
    ClientOptions unframed = OPTIONS.withProtocol(protocol).withFraming(WireFraming.UNFRAMED);
    try (ThriftscoreClient client = connect(unframed)) {
      assertArrayEquals(SCORES, column(client.score("linear", ROWS).scores()), TOLERANCE);
      assertThrows(ServerException.ModelNotFound.class, () -> client.score("nope", ROWS));
      assertArrayEquals(SCORES, column(client.score("linear", ROWS).scores()), TOLERANCE);
    }
  }

  @Test
  void scoresRowsOverAUnixSocket() {
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.unixEndpoint(), OPTIONS)) {
      assertArrayEquals(SCORES, column(client.score("linear", ROWS).scores()), TOLERANCE);
      var missing =
          assertThrows(ServerException.ModelNotFound.class, () -> client.score("nope", ROWS));
      assertEquals(server.unixEndpoint(), missing.endpoint());
    }
  }

  @Test
  void scoresABufferOfRows() {
    FloatBuffer rows = ByteBuffer.allocateDirect(9 * Float.BYTES).asFloatBuffer();
    for (float[] row : ROWS) {
      rows.put(row);
    }
    try (ThriftscoreClient client = connect(OPTIONS)) {
      ScoreResult result = client.score("linear", Matrix.of(rows.flip(), 3));
      assertArrayEquals(SCORES, column(result.scores()), TOLERANCE);
    }
  }

  @Test
  void scoresAMillionRowsInOrderAsTheEmbeddedEngineDoes() throws Exception {
    int rows = 1_000_000;
    float[] features = new float[rows * 3];
    Random random = new Random(20260101);
    for (int index = 0; index < features.length; index++) {
      features[index] = random.nextFloat() * 100;
    }
    CallOptions call = CallOptions.DEFAULT.withRequestId("batch");
    try (ThriftscoreClient client = connect(OPTIONS)) {
      Matrix matrix = new FloatMatrix(features, rows, 3);
      ScoreResult batch = client.scoreBatch("linear", matrix, call);
      float[] expected = server.scoresOfTheEngine("linear", features, 3);
      assertEquals(new FloatMatrix(expected, rows, 1), batch.scores());
      assertEquals("1", batch.modelVersion());
      assertEquals("batch", batch.requestId());
    }
  }

  @Test
  void splitsABatchByTheLimitOfFrames() {
    double[][] rows = new double[500][3];
    IntStream.range(0, rows.length).forEach(row -> rows[row][0] = row);
    try (ThriftscoreClient client = connect(OPTIONS.withFrameBytesMax(4096))) {
      Matrix scores = client.scoreBatch("linear", Matrix.of(rows), CallOptions.DEFAULT).scores();
      for (int row = 0; row < rows.length; row += 99) {
        assertEquals(client.score("linear", rows[row]).scores().get(0, 0), scores.get(row, 0));
      }
      var error =
          assertThrows(
              IllegalArgumentException.class, () -> client.score("linear", Matrix.of(rows)));
      assertTrue(error.getMessage().contains("4096 bytes"), error.getMessage());
    }
  }

  @Test
  void failsABatchOfAModelThatIsNotThere() {
    try (ThriftscoreClient client = connect(OPTIONS.withChunkRows(1))) {
      assertThrows(
          ServerException.ModelNotFound.class,
          () -> client.scoreBatch("nope", Matrix.of(ROWS), CallOptions.DEFAULT));
    }
  }

  @Test
  void scoresAsFutures() {
    try (ThriftscoreClient client = connect(OPTIONS)) {
      List<CompletableFuture<ScoreResult>> futures =
          IntStream.range(0, 1000)
              .mapToObj(call -> client.async().score("linear", ROWS[call % 3]))
              .toList();
      for (int call = 0; call < futures.size(); call++) {
        double[] scores = column(futures.get(call).join().scores());
        assertArrayEquals(new double[] {SCORES[call % 3]}, scores, TOLERANCE);
      }
      var failure =
          assertThrows(
              CompletionException.class, () -> client.async().score("nope", ROWS).join());
      assertEquals(ServerException.ModelNotFound.class, failure.getCause().getClass());
    }
  }

  @Test
  void scoresOneRowInEveryForm() {
    double[] row = {100, 3, 20};
    try (ThriftscoreClient client = connect(OPTIONS)) {
      assertArrayEquals(
          new double[] {0.25}, column(client.score("linear", ROWS[0]).scores()), TOLERANCE);
      assertArrayEquals(
          new double[] {0.25}, column(client.score("linear", row).scores()), TOLERANCE);
      assertArrayEquals(new double[] {0.25}, client.scoreValues("linear", row), TOLERANCE);
      Map<String, Double> named = Map.of("area", 100.0, "rooms", 3.0, "age", 20.0);
      assertArrayEquals(new double[] {0.25}, client.scoreNamed("linear", named), TOLERANCE);
      SparseRows sparse =
          SparseRows.of(new long[] {0, 3}, new int[] {0, 1, 2}, new float[] {100, 3, 20});
      assertArrayEquals(
          new double[] {0.25},
          column(client.scoreSparse("linear", sparse, CallOptions.DEFAULT).scores()),
          TOLERANCE);
    }
  }

  @Test
  void bringsNormalisedRowsBack() {
    Matrix rows = Matrix.of(new double[] {100, 3, 20}, new double[] {150, 4.5, 30});
    CallOptions call = CallOptions.DEFAULT.withRequestId("there-and-back");
    try (ThriftscoreClient client = connect(OPTIONS)) {
      Matrix normalised = client.normalize("linear", rows, call).values();
      assertEquals(Matrix.of(new double[] {0, 0, 0}, new double[] {1, 1, 1}), normalised);
      NormalizeResult back = client.denormalize("linear", normalised, call);
      assertEquals(rows, back.values());
      assertEquals("there-and-back", back.requestId());
    }
  }

  @Test
  void infersNamedTensors() {
    Tensor features = Tensor.of("features", Matrix.of(ROWS));
    CallOptions call = CallOptions.DEFAULT.withRequestId("call-7");
    try (ThriftscoreClient client = connect(OPTIONS)) {
      InferResult result = client.infer("linear", List.of(features), List.of("scores"), call);
      assertEquals("call-7", result.id());
      assertArrayEquals(new long[] {3, 1}, result.outputs().get("scores").shape());
      assertArrayEquals(SCORES, result.outputs().get("scores").toDoubles(), TOLERANCE);
    }
  }

  @Test
  void choosesVersionsByNumberAndLabel() {
    Matrix row = Matrix.of(new float[] {7, 2});
    try (ThriftscoreClient client = connect(OPTIONS)) {
      CallOptions canary = CallOptions.DEFAULT.withVersion("canary");
      assertEquals("2", client.score("versioned", row, canary).modelVersion());
      CallOptions first = CallOptions.DEFAULT.withVersion("1");
      assertEquals("1", client.score("versioned", row, first).modelVersion());
    }
  }

  @Test
  void throwsTheServersErrorAndKeepsTheConnection() {
    try (ThriftscoreClient client = connect(OPTIONS)) {
      var missing =
          assertThrows(
              ServerException.ModelNotFound.class, () -> client.score("nope", ROWS));
      assertEquals("nope", missing.model());
      assertEquals(server.endpoint(), missing.endpoint());
      assertThrows(
          ServerException.InvalidArgument.class, () -> client.score("linear", new float[2]));
      assertArrayEquals(SCORES, column(client.score("linear", ROWS).scores()), TOLERANCE);
    }
  }

  @Test
  void describesServerAndModels() {
    try (ThriftscoreClient client = connect(OPTIONS)) {
      assertTrue(client.ping());
      assertTrue(client.serverLive());
      assertTrue(client.serverReady());
      assertEquals("thriftscore", client.serverMetadata().getName());
      assertTrue(client.modelReady("linear", ""));
      ModelMetadata metadata = client.modelMetadata("linear", "");
      assertEquals(List.of("area", "rooms", "age"), metadata.getFeature_names());
      client.score("linear", ROWS);
      ModelStatistics statistics = client.modelStatistics("linear", "").get(0);
      assertTrue(statistics.getInference_count() >= ROWS.length);
    }
  }

  @Test
  void takesAnEmptyMatrix() {
    try (ThriftscoreClient client = connect(OPTIONS)) {
      assertEquals(0, client.score("linear", new float[0][]).scores().rows());
    }
  }

  @Test
  void carriesBatchesOfManyReads() {
    int rows = 200_000;
    float[] features = new float[rows * 3];
    IntStream.range(0, rows).forEach(row -> features[row * 3] = row % 1000);
    try (ThriftscoreClient client = connect(OPTIONS)) {
      Matrix scores = client.score("linear", new FloatMatrix(features, rows, 3)).scores();
      assertEquals(rows, scores.rows());
      double first = client.scoreValues("linear", 999, 0, 0)[0];
      assertEquals(first, scores.get(rows - 1, 0), Math.abs(first) * TOLERANCE);
    }
  }

  @Test
  void givesThreadsThatShareAClientTheirOwnScores() throws Exception {
    try (ThriftscoreClient client = connect(OPTIONS)) {
      List<CompletableFuture<Void>> threads =
          IntStream.range(0, 6)
              .mapToObj(
                  thread ->
                      CompletableFuture.runAsync(() -> expectScores(client, thread % ROWS.length)))
              .toList();
      for (CompletableFuture<Void> thread : threads) {
        thread.get();
      }
    }
  }

  private static void expectScores(ThriftscoreClient client, int row) {
    for (int call = 0; call < 100; call++) {
      double[] scores = column(client.score("linear", ROWS[row]).scores());
      assertArrayEquals(new double[] {SCORES[row]}, scores, TOLERANCE);
    }
  }

  private static ThriftscoreClient connect(ClientOptions options) {
    return ThriftscoreClient.connect(server.endpoint(), options);
  }

  private static double[] column(Matrix scores) {
    return IntStream.range(0, scores.rows()).mapToDouble(row -> scores.get(row, 0)).toArray();
  }
}
