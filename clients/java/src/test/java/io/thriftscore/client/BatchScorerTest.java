// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static io.thriftscore.client.HostileServer.frame;
import static io.thriftscore.client.HostileServer.message;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ScoreResponse;
import io.thriftscore.idl.ScoringService;
import io.thriftscore.idl.SparseScoreRequest;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Batches of sparse rows, and what becomes of batches that cannot end well. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class BatchScorerTest {
  /** Of the model `wide`. */
  private static final int COLUMNS = 256;

  /** A row with all columns is larger than the half of it that is for values. */
  private static final int SMALL_FRAME_BYTES = 4096;

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
  @CsvSource({"FP32,BINARY", "FP64,BINARY", "FP32,COMPACT", "FP64,COMPACT"})
  void scoresSparseRowsAsItDoesDenseOnes(DataType datatype, WireProtocol protocol) {
    double[][] dense = rowsOfManyLengths(3_000);
    CallCount calls = new CallCount();
    ClientOptions small =
        OPTIONS
            .withProtocol(protocol)
            .withFrameBytesMax(SMALL_FRAME_BYTES)
            .withChunkRows(100)
            .withObserver(calls);
    CallOptions call = CallOptions.DEFAULT.withRequestId("sparse");
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), small);
        ThriftscoreClient ample = ThriftscoreClient.connect(server.endpoint(), OPTIONS)) {
      ScoreResult batch = client.scoreSparseBatch("wide", sparse(dense, datatype), call);
      assertEquals(ample.score("wide", matrix(dense, datatype)).scores(), batch.scores());
      assertEquals("1", batch.modelVersion());
      assertEquals("sparse", batch.requestId());
      assertTrue(calls.count.get() > dense.length / 100, calls.count + " calls");
    }
  }

  @Test
  void scoresSparseRowsAsAFutureOverAllEndpoints() throws Exception {
    double[][] dense = rowsOfManyLengths(2_000);
    CallCount calls = new CallCount();
    List<String> endpoints = List.of(server.endpoint(), server.unixEndpoint());
    ClientOptions options = OPTIONS.withChunkRows(10).withObserver(calls);
    try (ThriftscoreClient client = ThriftscoreClient.connect(endpoints, options)) {
      SparseRows rows = sparse(dense, DataType.FP32);
      Matrix scores =
          client.async().scoreSparseBatch("wide", rows, CallOptions.DEFAULT).get().scores();
      assertEquals(200, calls.count.get());
      assertEquals(Set.copyOf(endpoints), calls.endpoints);
      assertEquals(client.score("wide", matrix(dense, DataType.FP32)).scores(), scores);
    }
  }

  @Test
  void scoresFewRowsByOneCallAndNoRowsToo() {
    CallCount calls = new CallCount();
    SparseRows none = SparseRows.of(new long[1], new int[0], new float[0]);
    try (ThriftscoreClient client =
        ThriftscoreClient.connect(server.endpoint(), OPTIONS.withObserver(calls))) {
      ScoreResult scores = client.scoreSparseBatch("wide", none, CallOptions.DEFAULT);
      assertEquals(0, scores.scores().rows());
      assertEquals("1", scores.modelVersion());
      Matrix empty = new FloatMatrix(new float[0], 0, COLUMNS);
      assertEquals(scores, client.scoreBatch("wide", empty, CallOptions.DEFAULT));
      double[][] dense = rowsOfManyLengths(50);
      SparseRows rows = sparse(dense, DataType.FP64);
      scores = client.scoreSparseBatch("wide", rows, CallOptions.DEFAULT);
      assertEquals(3, calls.count.get());
      assertEquals(client.score("wide", dense).scores(), scores.scores());
    }
  }

  @Test
  void scoresSparseRowsOfModelsWithSeveralScores() {
    double[][] dense = new double[1_000][4];
    IntStream.range(0, dense.length).forEach(row -> dense[row][row % 4] = row / 100.0);
    ClientOptions small = OPTIONS.withFrameBytesMax(2048);
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), small)) {
      for (String model : List.of("softmax", "logistic")) {
        SparseRows rows = sparse(dense, DataType.FP64);
        Matrix scores = client.scoreSparseBatch(model, rows, CallOptions.DEFAULT).scores();
        assertEquals(client.scoreBatch(model, Matrix.of(dense), CallOptions.DEFAULT).scores(),
            scores);
      }
    }
  }

  @Test
  void refusesMalformedRowsBeforeAnythingIsSent() {
    CallCount calls = new CallCount();
    SparseRows rows = SparseRows.of(new long[] {0, 2, 1, 3}, new int[3], new float[3]);
    try (ThriftscoreClient client =
        ThriftscoreClient.connect(server.endpoint(), OPTIONS.withObserver(calls))) {
      var error =
          assertThrows(
              IllegalArgumentException.class,
              () -> client.scoreSparseBatch("wide", rows, CallOptions.DEFAULT));
      assertTrue(error.getMessage().contains("received 2 and then 1"), error.getMessage());
      assertThrows(
          IllegalArgumentException.class,
          () -> client.async().scoreSparseBatch("wide", rows, CallOptions.DEFAULT));
      assertEquals(0, calls.count.get());
    }
  }

  @Test
  void failsWithTheErrorOfAChunk() {
    ClientOptions options = OPTIONS.withChunkRows(1);
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      SparseRows late =
          SparseRows.of(new long[] {0, 1, 1, 2}, new int[] {0, COLUMNS}, new float[] {1, 1});
      assertThrows(
          ServerException.InvalidArgument.class,
          () -> client.scoreSparseBatch("wide", late, CallOptions.DEFAULT));
      assertThrows(
          ServerException.ModelNotFound.class,
          () -> client.scoreSparseBatch("nope", late, CallOptions.DEFAULT));
    }
  }

  @Test
  void refusesARowThatNoFrameCanCarry() {
    double[][] dense = new double[3][COLUMNS];
    Arrays.fill(dense[2], 1);
    ClientOptions small = OPTIONS.withFrameBytesMax(2000);
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), small)) {
      SparseRows rows = sparse(dense, DataType.FP32);
      var error =
          assertThrows(
              IllegalArgumentException.class,
              () -> client.scoreSparseBatch("wide", rows, CallOptions.DEFAULT));
      assertTrue(error.getMessage().contains("2000 bytes"), error.getMessage());
    }
  }

  @Test
  void splitsSoThatLongTextsOfTheCallFitToo() {
    ClientOptions small = OPTIONS.withAuthToken("t".repeat(500)).withFrameBytesMax(8192);
    CallOptions call =
        CallOptions.DEFAULT.withRequestId("r".repeat(128)).withTraceparent("0".repeat(500));
    double[][] dense = rowsOfManyLengths(300);
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), small)) {
      Matrix scores = client.scoreSparseBatch("wide", sparse(dense, DataType.FP32), call).scores();
      assertEquals(
          client.scoreBatch("wide", matrix(dense, DataType.FP32), call).scores(), scores);
    }
  }

  @Test
  void asksForTheVersionOfTheFirstChunkByNumber() throws Exception {
    List<SparseScoreRequest> requests = new CopyOnWriteArrayList<>();
    HostileServer.Hostility answers =
        peer -> {
          while (true) {
            answer(peer, requests, 1);
          }
        };
    CallOptions call =
        CallOptions.DEFAULT.withVersion("stable").withTimeout(Duration.ofSeconds(5));
    try (HostileServer peer = HostileServer.always(answers);
        ThriftscoreClient client =
            ThriftscoreClient.connect(peer.endpoint(), OPTIONS.withChunkRows(2))) {
      SparseRows rows = SparseRows.of(new long[] {0, 1, 1, 3, 4, 4}, new int[4], new float[4]);
      assertEquals("7", client.scoreSparseBatch("wide", rows, call).modelVersion());
    }
    assertEquals("stable", requests.get(0).getModel_version());
    assertEquals(3, requests.size());
    Set<String> offsets = ConcurrentHashMap.newKeySet();
    for (SparseScoreRequest request : requests.subList(1, 3)) {
      assertEquals("7", request.getModel_version());
      assertTrue(request.getContext().getDeadline_ms() <= 5000);
      offsets.add(Arrays.toString(request.getIndptr()));
    }
    assertEquals(
        Set.of(
            Arrays.toString(LittleEndian.pack(new long[] {0, 2, 3})),
            Arrays.toString(LittleEndian.pack(new long[] {0, 0}))),
        offsets);
  }

  @Test
  void timesOutWhereAChunkDoes() throws Exception {
    HostileServer.Hostility oneAnswer =
        peer -> {
          answer(peer, new CopyOnWriteArrayList<>(), 1);
          peer.stall();
        };
    CallOptions brief = CallOptions.DEFAULT.withTimeout(Duration.ofMillis(200));
    try (HostileServer peer = HostileServer.always(oneAnswer);
        ThriftscoreClient client =
            ThriftscoreClient.connect(
                peer.endpoint(), OPTIONS.withChunkRows(1).withConnectionsMax(1))) {
      SparseRows rows = SparseRows.of(new long[4], new int[0], new float[0]);
      assertThrows(
          TransportException.CallTimedOut.class,
          () -> client.scoreSparseBatch("wide", rows, brief));
    }
  }

  @Test
  void failsWhereTheScoresOfAllRowsAreTooMany() throws Exception {
    HostileServer.Hostility wideAnswer =
        peer -> answer(peer, new CopyOnWriteArrayList<>(), 1_000_000);
    try (HostileServer peer = HostileServer.always(wideAnswer);
        ThriftscoreClient client =
            ThriftscoreClient.connect(peer.endpoint(), OPTIONS.withChunkRows(1))) {
      SparseRows rows = SparseRows.of(new long[5001], new int[0], new float[0]);
      var error =
          assertThrows(
              IllegalArgumentException.class,
              () -> client.scoreSparseBatch("wide", rows, CallOptions.DEFAULT));
      assertTrue(error.getMessage().contains("5000 x 1000000"), error.getMessage());
    }
  }

  @Test
  void endsWhenItsClientIsClosed() throws Exception {
    ThriftscoreClient client =
        ThriftscoreClient.connect(server.endpoint(), OPTIONS.withChunkRows(1));
    SparseRows rows = SparseRows.of(new long[1_000_001], new int[0], new float[0]);
    CompletableFuture<ScoreResult> batch =
        client.async().scoreSparseBatch("wide", rows, CallOptions.DEFAULT);
    client.close();
    assertThrows(ExecutionException.class, () -> batch.get(30, TimeUnit.SECONDS));
  }

  /** Takes a request for sparse rows and answers with zeros by version 7. */
  private static void answer(
      HostileServer.Peer peer, List<SparseScoreRequest> requests, int columns) throws Exception {
    var arguments = new ScoringService.score_sparse_args();
    TMessage call = peer.receive(arguments);
    requests.add(arguments.getRequest());
    int rows = arguments.getRequest().getIndptr().length / Long.BYTES - 1;
    ScoreResponse response =
        new ScoreResponse()
            .setScores(new byte[rows * columns * Float.BYTES])
            .setDatatype(DataType.FP32)
            .setRows(rows)
            .setColumns(columns)
            .setModel_version("7");
    var reply = new TMessage(call.name, TMessageType.REPLY, call.seqid);
    peer.send(frame(message(reply, new ScoringService.score_sparse_result(response, null))));
  }

  /** Some without values, most with few, some with all. */
  private static double[][] rowsOfManyLengths(int rows) {
    Random random = new Random(20260301);
    double[][] values = new double[rows][COLUMNS];
    for (double[] row : values) {
      double share = List.of(0.0, 0.01, 0.02, 0.5, 1.0).get(random.nextInt(5));
      Arrays.setAll(
          row, column -> random.nextDouble() < share ? random.nextDouble() + 0.1 : 0);
    }
    return values;
  }

  private static Matrix matrix(double[][] rows, DataType datatype) {
    return datatype == DataType.FP64
        ? Matrix.of(rows)
        : new FloatMatrix(
            floats(Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray()),
            rows.length,
            rows[0].length);
  }

  private static SparseRows sparse(double[][] rows, DataType datatype) {
    long[] indptr = new long[rows.length + 1];
    for (int row = 0; row < rows.length; row++) {
      indptr[row + 1] = indptr[row] + stored(rows[row]).count();
    }
    int[] indices = Arrays.stream(rows).flatMapToInt(BatchScorerTest::stored).toArray();
    double[] values =
        Arrays.stream(rows).flatMapToDouble(Arrays::stream).filter(value -> value != 0).toArray();
    return datatype == DataType.FP64
        ? SparseRows.of(indptr, indices, values)
        : SparseRows.of(indptr, indices, floats(values));
  }

  private static IntStream stored(double[] row) {
    return IntStream.range(0, row.length).filter(column -> row[column] != 0);
  }

  private static float[] floats(double[] values) {
    float[] floats = new float[values.length];
    IntStream.range(0, floats.length).forEach(place -> floats[place] = (float) values[place]);
    return floats;
  }

  private static final class CallCount implements CallObserver {
    private final AtomicInteger count = new AtomicInteger();
    private final Set<String> endpoints = ConcurrentHashMap.newKeySet();

    @Override
    public void onCall(Call call) {
      count.incrementAndGet();
    }

    @Override
    public void onAttempt(Attempt attempt) {
      endpoints.add(attempt.endpoint());
    }
  }
}
