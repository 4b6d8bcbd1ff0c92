// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Scope;
import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoreResponse;
import io.thriftscore.idl.ScoringError;
import io.thriftscore.idl.ScoringService;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.transport.TMemoryInputTransport;
import org.junit.jupiter.api.Test;

/** What is written and read by hand is what the generated code writes and reads. */
class DenseScoreRequestTest {
  private static final MessageCodec CODEC = new MessageCodec(WireProtocol.BINARY, 16_384_000);
  private static final CallContext CONTEXT =
      new CallContext(250, "r-1", "00-trace-span-01", "token \u00e9");
  private static final CallContext BARE = new CallContext(250, "", "", "");

  @Test
  void writesWhatTheGeneratedCodeReads() throws Exception {
    float[][] rows = {{1, 2, 3}, {4, 5, 6}};
    for (CallContext context : List.of(CONTEXT, BARE)) {
      ScoreRequest request = written("canary", Matrix.of(rows), context);
      assertEquals("mod\u00e8le", request.getModel_name());
      assertEquals("canary", request.getModel_version());
      assertEquals(DataType.FP32, request.getDatatype());
      assertEquals(3, request.getColumns());
      assertEquals(context.toStruct(), request.getContext());
      assertArrayEquals(LittleEndian.pack(Matrix.of(rows)), request.getFeatures());
    }
  }

  @Test
  void writesEveryKindOfMatrixAlike() throws Exception {
    float[][] floats = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    Matrix flat = Matrix.of(floats);
    FloatBuffer buffer = ByteBuffer.allocateDirect(40).position(4).slice().asFloatBuffer();
    buffer.put(((FloatMatrix) flat).data()).flip();
    byte[] expected = LittleEndian.pack(flat);
    for (Matrix one : List.of(new FloatRows(floats), Matrix.of(buffer, 3))) {
      assertArrayEquals(expected, written("", one, BARE).getFeatures());
      byte[] lastRows = Arrays.copyOfRange(expected, 12, 36);
      assertArrayEquals(lastRows, written("", MatrixSlice.ofRows(one, 1, 2), BARE).getFeatures());
    }
    double[][] doubles = {{0.1, 0.2}, {0.3, 0.4}};
    ScoreRequest request = written("", new DoubleRows(doubles), BARE);
    assertEquals(DataType.FP64, request.getDatatype());
    assertArrayEquals(LittleEndian.pack(Matrix.of(doubles)), request.getFeatures());
  }

  @Test
  void writesRowsThatAreLargerThanItsBuffer() throws Exception {
    double[][] rows = new double[7][9_999];
    for (int row = 0; row < rows.length; row++) {
      Arrays.setAll(rows[row], column -> column + 0.1);
    }
    ScoreRequest request = written("", new DoubleRows(rows), CONTEXT);
    assertArrayEquals(LittleEndian.pack(Matrix.of(rows)), request.getFeatures());
  }

  @Test
  void saysTheSizeOfARequestBeforeItIsWritten() {
    Matrix rows = new FloatMatrix(new float[1000], 1, 1000);
    var small = new MessageCodec(WireProtocol.BINARY, 4000);
    var request = new Requests(small).score("iris", rows, CallOptions.DEFAULT);
    assertThrows(IllegalArgumentException.class, () -> request.message(1, BARE));
  }

  @Test
  void readsRepliesAsTheGeneratedCodeDoes() throws Exception {
    ScoreResponse response =
        new ScoreResponse()
            .setScores(LittleEndian.pack(new double[] {1, 2}))
            .setDatatype(DataType.FP64)
            .setRows(1)
            .setColumns(2)
            .setModel_version("3");
    ScoreResult result = read(new ScoringService.score_result(response, null));
    assertEquals(Matrix.of(new double[] {1, 2}), result.scores());
    assertEquals("3", result.modelVersion());
    var error = new ScoringService.score_result(null, new ScoringError().setMessage("no"));
    assertEquals("no", assertThrows(ScoringError.class, () -> read(error)).getMessage());
  }

  @Test
  void sendsTheTraceThatTheThreadIsIn() {
    var trace = "0af7651916cd43dd8448eb211c80319c";
    var span =
        SpanContext.create(
            trace, "b7ad6b7169203331", TraceFlags.getSampled(), TraceState.getDefault());
    assertEquals("", CurrentTrace.traceparent());
    Scope entered = Span.wrap(span).makeCurrent();
    try {
      assertEquals("00-" + trace + "-b7ad6b7169203331-01", CurrentTrace.traceparent());
    } finally {
      entered.close();
    }
  }

  private static ScoreResult read(ScoringService.score_result result) throws Exception {
    var reply = new TMessage("score", TMessageType.REPLY, 7);
    ByteBuffer message = CODEC.encode(reply, result);
    byte[] bytes = Arrays.copyOf(message.array(), message.limit());
    Matrix row = new FloatMatrix(new float[1], 1, 1);
    return new Requests(CODEC).score("iris", row, CallOptions.DEFAULT).read(bytes, 7);
  }

  private static ScoreRequest written(String version, Matrix features, CallContext context)
      throws Exception {
    CallOptions call = CallOptions.DEFAULT.withVersion(version);
    OutgoingMessage message =
        new Requests(CODEC).score("mod\u00e8le", features, call).message(7, context);
    Sink sink = new Sink();
    FrameOutput output = new FrameOutput(sink);
    message.writeTo(output);
    output.flush();
    assertEquals(sink.bytes.size(), message.bytes());
    var protocol = new TBinaryProtocol(new TMemoryInputTransport(sink.bytes.toByteArray()));
    assertEquals(new TMessage("score", TMessageType.CALL, 7), protocol.readMessageBegin());
    var arguments = new ScoringService.score_args();
    arguments.read(protocol);
    return arguments.getRequest();
  }

  /** Keeps what is written. */
  private static final class Sink implements ByteStream {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    @Override
    public int read(ByteBuffer buffer) {
      return -1;
    }

    @Override
    public void write(ByteBuffer buffer) {
      while (buffer.hasRemaining()) {
        bytes.write(buffer.get());
      }
    }

    @Override
    public boolean isQuiet() {
      return true;
    }

    @Override
    public void close() {}
  }
}
