// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoringService;
import io.thriftscore.idl.TensorMetadata;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MessageCodecTest {
  private static final int FRAME_BYTES_MAX = 16_384_000;
  private static final int MUTANTS = 5_000;
  private static final TMessage CALL = new TMessage("model_metadata", TMessageType.CALL, 7);
  private static final TMessage REPLY = new TMessage("model_metadata", TMessageType.REPLY, 7);

  @ParameterizedTest
  @EnumSource
  void readsBackWhatItWrites(WireProtocol protocol) throws Exception {
    var codec = new MessageCodec(protocol, FRAME_BYTES_MAX);
    var received = new ScoringService.model_metadata_result();
    codec.decode(body(codec.encode(REPLY, metadata())), CALL, received);
    assertEquals(metadata(), received);
  }

  @Test
  void writesStrictBinary() throws Exception {
    var codec = new MessageCodec(WireProtocol.BINARY, FRAME_BYTES_MAX);
    ByteBuffer message = codec.encode(CALL, new ScoringService.ping_args());
    // Version 1 and message type CALL.
    assertEquals(0x80010001, message.getInt(0));
  }

  @Test
  void refusesARequestAboveTheLimitAndTakesOneOfItsSize() throws Exception {
    var request = new ScoreRequest().setModel_name("m").setFeatures(new byte[1000]);
    var arguments = new ScoringService.score_args(request);
    var call = new TMessage("score", TMessageType.CALL, 1);
    int bytes = new MessageCodec(WireProtocol.BINARY, FRAME_BYTES_MAX)
        .encode(call, arguments).remaining();
    new MessageCodec(WireProtocol.BINARY, bytes).encode(call, arguments);
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new MessageCodec(WireProtocol.BINARY, bytes - 1).encode(call, arguments));
    assertTrue(error.getMessage().contains("" + bytes), error.getMessage());
  }

  /** A fixed seed makes the mutants the same in every run. */
  @ParameterizedTest
  @EnumSource
  void refusesOrReadsEveryMutantOfAReply(WireProtocol protocol) throws Exception {
    var codec = new MessageCodec(protocol, FRAME_BYTES_MAX);
    byte[] whole = body(codec.encode(REPLY, metadata()));
    Random random = new Random(20260101);
    int refused = 0;
    for (int mutant = 0; mutant < MUTANTS; mutant++) {
      try {
        codec.decode(mutated(whole, random), CALL, new ScoringService.model_metadata_result());
      } catch (ProtocolException | TApplicationException typed) {
        refused++;
      }
    }
    assertTrue(refused > MUTANTS / 4, "only " + refused + " mutants were refused");
  }

  @ParameterizedTest
  @EnumSource
  void refusesEveryReplyThatIsCutShort(WireProtocol protocol) throws Exception {
    var codec = new MessageCodec(protocol, FRAME_BYTES_MAX);
    byte[] whole = body(codec.encode(REPLY, metadata()));
    for (int length = 0; length < whole.length; length++) {
      byte[] part = Arrays.copyOf(whole, length);
      var received = new ScoringService.model_metadata_result();
      assertThrows(ProtocolException.class, () -> codec.decode(part, CALL, received));
    }
  }

  @Test
  void refusesNestingThatWouldOverflowTheStack() throws Exception {
    var codec = new MessageCodec(WireProtocol.BINARY, FRAME_BYTES_MAX);
    byte[] begin = body(codec.encode(REPLY, new ScoringService.model_metadata_result()));
    ByteBuffer nested = ByteBuffer.allocate(begin.length + 3 * 1_000_000);
    nested.put(begin, 0, begin.length - 1); // without the stop byte
    while (nested.remaining() >= 3) {
      nested.put(TType.STRUCT).putShort((short) 99);
    }
    var received = new ScoringService.model_metadata_result();
    assertThrows(ProtocolException.class, () -> codec.decode(nested.array(), CALL, received));
  }

  private static byte[] mutated(byte[] whole, Random random) {
    byte[] mutant = Arrays.copyOf(whole, whole.length - random.nextInt(2) * random.nextInt(20));
    int changes = 1 + random.nextInt(4);
    for (int change = 0; change < changes; change++) {
      mutant[random.nextInt(mutant.length)] = (byte) random.nextInt(256);
    }
    return mutant;
  }

  private static byte[] body(ByteBuffer message) {
    byte[] body = new byte[message.remaining()];
    message.get(body);
    return body;
  }

  private static ScoringService.model_metadata_result metadata() {
    var result = new ScoringService.model_metadata_result();
    result.setSuccess(
        new ModelMetadata()
            .setName("iris")
            .setVersions(List.of("1", "2"))
            .setInputs(
                List.of(
                    new TensorMetadata()
                        .setName("features")
                        .setDatatype(DataType.FP64)
                        .setShape(List.of(-1L, 4L))))
            .setLabels(Map.of("stable", 1L, "canary", 2L))
            .setHas_normalizer(true));
    return result;
  }
}
