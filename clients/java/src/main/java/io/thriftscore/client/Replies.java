// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.InferResponse;
import io.thriftscore.idl.NormalizeResponse;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Results from replies; a reply that contradicts itself or its call is a violation. */
final class Replies {
  private Replies() {}

  static ScoreResult scores(ScoreReply reply, int rows, String requestId)
      throws ProtocolException {
    requireScores(reply, rows, requestId);
    Matrix scores = LittleEndian.unpack(reply.scores, reply.datatype, rows, reply.columns);
    return new ScoreResult(scores, reply.modelVersion, requestId);
  }

  /** Checks that a reply has scores for these rows of this request. */
  static void requireScores(ScoreReply reply, int rows, String requestId)
      throws ProtocolException {
    requireEcho(requestId, reply.requestId);
    requireRows(rows, reply.rows);
    requireShape(reply.scores.remaining(), reply.datatype, rows, reply.columns);
  }

  static NormalizeResult normalized(NormalizeResponse reply, Matrix sent, String requestId)
      throws ProtocolException {
    requireEcho(requestId, reply.getRequest_id());
    requireRows(sent.rows(), reply.getRows());
    if (reply.getDatatype() != sent.datatype()) {
      throw new ProtocolException(
          "sent values of " + sent.datatype() + ", received " + reply.getDatatype());
    }
    Matrix values =
        matrix(reply.getValues(), reply.getDatatype(), sent.rows(), reply.getColumns());
    return new NormalizeResult(values, reply.getModel_version(), requestId);
  }

  static InferResult inferred(InferResponse reply, String requestId) throws ProtocolException {
    requireEcho(requestId, reply.getRequest_id());
    requireEcho(requestId, reply.getId());
    Map<String, Tensor> outputs = new LinkedHashMap<>();
    for (io.thriftscore.idl.Tensor output : reply.getOutputs()) {
      outputs.put(output.getName(), tensor(output));
    }
    return new InferResult(reply.getModel_name(), reply.getModel_version(), requestId, outputs);
  }

  static double[] values(List<Double> reply) {
    return reply.stream().mapToDouble(Double::doubleValue).toArray();
  }

  private static Tensor tensor(io.thriftscore.idl.Tensor output) throws ProtocolException {
    if (output.getDatatype() == null || !output.isSetData()) {
      throw new ProtocolException(
          "output \"" + output.getName() + "\" has no known datatype or no data");
    }
    long[] shape = output.getShape().stream().mapToLong(Long::longValue).toArray();
    try {
      return new Tensor(output.getName(), output.getDatatype(), shape, output.getData());
    } catch (IllegalArgumentException contradiction) {
      throw new ProtocolException(contradiction.getMessage());
    }
  }

  private static Matrix matrix(byte[] bytes, DataType datatype, int rows, int columns)
      throws ProtocolException {
    requireShape(bytes.length, datatype, rows, columns);
    return LittleEndian.unpack(ByteBuffer.wrap(bytes), datatype, rows, columns);
  }

  private static void requireShape(int bytes, DataType datatype, int rows, int columns)
      throws ProtocolException {
    if (datatype != DataType.FP32 && datatype != DataType.FP64) {
      throw new ProtocolException("expected values of FP32 or FP64, received " + datatype);
    }
    long count = (long) rows * columns;
    if (columns < 0 || count != bytes / LittleEndian.itemBytes(datatype)
        || bytes % LittleEndian.itemBytes(datatype) != 0) {
      throw new ProtocolException(
          String.format(
              "%d x %d values of %s cannot have %d bytes", rows, columns, datatype, bytes));
    }
  }

  private static void requireRows(int sent, long received) throws ProtocolException {
    if (received != sent) {
      throw new ProtocolException("sent " + sent + " rows, received " + received);
    }
  }

  /** Finds an answer that a proxy or server has given to the wrong caller. */
  private static void requireEcho(String sent, String received) throws ProtocolException {
    if (!sent.equals(received == null ? "" : received)) {
      throw new ProtocolException(
          "sent request id \"" + sent + "\", received \"" + received + "\"");
    }
  }
}
