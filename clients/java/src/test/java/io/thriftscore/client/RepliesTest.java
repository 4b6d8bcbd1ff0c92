// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.InferResponse;
import io.thriftscore.idl.NormalizeResponse;
import io.thriftscore.idl.ScoreResponse;
import java.net.ProtocolException;
import java.util.List;
import org.junit.jupiter.api.Test;

class RepliesTest {

  @Test
  void makesARowOfScoresForEachRow() throws Exception {
    ScoreResult result = Replies.scores(ScoreReply.of(reply()), 2, "r-1");
    assertEquals(Matrix.of(new float[] {1, 2, 3}, new float[] {4, 5, 6}), result.scores());
    assertEquals("3", result.modelVersion());
    assertEquals("r-1", result.requestId());
  }

  @Test
  void refusesScoresForAnotherNumberOfRows() {
    violates("sent 3 rows, received 2", reply(), 3, "r-1");
  }

  @Test
  void refusesScoresForAnotherRequest() {
    violates("sent request id \"r-2\", received \"r-1\"", reply(), 2, "r-2");
    violates("sent request id \"\", received \"r-1\"", reply(), 2, "");
    ScoreResponse silent = reply();
    silent.unsetRequest_id();
    violates("sent request id \"r-1\", received \"null\"", silent, 2, "r-1");
  }

  @Test
  void refusesBytesThatDoNotFitTheShape() {
    violates("2 x 4 values of FP32 cannot have 24 bytes", reply().setColumns(4), 2, "r-1");
    violates("2 x -3 values of FP32", reply().setColumns(-3), 2, "r-1");
    // 2 x 2^31-1 x 4 is negative in 32 bits.
    violates("cannot have 24 bytes", reply().setColumns(Integer.MAX_VALUE), 2, "r-1");
  }

  @Test
  void refusesScoresOfAnUnknownType() {
    violates("received INT32", reply().setDatatype(DataType.INT32), 2, "r-1");
    violates("received null", reply().setDatatype(null), 2, "r-1");
  }

  @Test
  void refusesNormalisedValuesOfAnotherType() {
    Matrix sent = Matrix.of(new double[] {1});
    NormalizeResponse reply =
        new NormalizeResponse().setRows(1).setColumns(1).setValues(new byte[4]);
    var error =
        assertThrows(ProtocolException.class, () -> Replies.normalized(reply, sent, ""));
    assertEquals("sent values of FP64, received FP32", error.getMessage());
  }

  @Test
  void refusesOutputsWithoutData() {
    var output = new io.thriftscore.idl.Tensor().setName("scores").setShape(List.of(1L));
    InferResponse reply = new InferResponse().setOutputs(List.of(output));
    assertThrows(ProtocolException.class, () -> Replies.inferred(reply, ""));
    output.setData(new byte[3]);
    assertThrows(ProtocolException.class, () -> Replies.inferred(reply, ""));
  }

  private static ScoreResponse reply() {
    return new ScoreResponse()
        .setScores(LittleEndian.pack(new float[] {1, 2, 3, 4, 5, 6}))
        .setRows(2)
        .setColumns(3)
        .setModel_version("3")
        .setRequest_id("r-1");
  }

  private static void violates(String why, ScoreResponse reply, int rows, String requestId) {
    var error =
        assertThrows(
            ProtocolException.class,
            () -> Replies.scores(ScoreReply.of(reply), rows, requestId));
    assertTrue(error.getMessage().contains(why), error.getMessage());
  }
}
