// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.thrift.TException;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TType;

/**
 * The method `score` in the binary protocol: the call that is made most is written straight into
 * the connection's buffer, from the caller's arrays, and read straight from the reply. Replies that
 * are not plain go the general way.
 */
final class DenseScoreRequest<R> extends Request<R> {
  static final String METHOD = "score";

  private static final int STRICT_BINARY = 0x80010000;
  private static final int FIELD_BYTES = 3;
  private static final int I32_FIELD_BYTES = FIELD_BYTES + Integer.BYTES;
  private static final byte[] METHOD_BYTES = METHOD.getBytes(StandardCharsets.US_ASCII);

  private final MessageCodec codec;
  private final Matrix features;
  private final byte[] modelName;
  private final byte[] version;
  private final ReplyReader<ScoreReply, R> reader;
  private final Request<R> general;

  /** `general` reads what this does not. */
  DenseScoreRequest(
      MessageCodec codec, Matrix features, ReplyReader<ScoreReply, R> reader, Request<R> general) {
    super(METHOD, general.model, general.options);
    this.codec = codec;
    this.features = features;
    this.reader = reader;
    this.general = general;
    this.modelName = utf8(model);
    this.version = utf8(options.version());
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  int approximateBytes() {
    return (int) Math.min(featureBytes(), Integer.MAX_VALUE);
  }

  private long featureBytes() {
    return LittleEndian.byteCount(features);
  }

  @Override
  OutgoingMessage message(int sequence, CallContext context) {
    Message message = new Message(sequence, context);
    codec.requireFits(METHOD, message.size());
    return message;
  }

  @Override
  R read(byte[] reply, int sequence) throws TException, IOException {
    ScoreReply plain = ScoreReply.ofBinary(reply);
    return plain == null ? general.read(reply, sequence) : reader.read(plain);
  }

  /** The fields of ScoreRequest and of its context, by their numbers in the contract. */
  private final class Message implements OutgoingMessage {
    private final int sequence;
    private final int deadlineMillis;
    private final byte[] requestId;
    private final byte[] traceparent;
    private final byte[] authToken;

    Message(int sequence, CallContext context) {
      this.sequence = sequence;
      this.deadlineMillis = context.deadlineMillis();
      this.requestId = utf8(context.requestId());
      this.traceparent = utf8(context.traceparent());
      this.authToken = utf8(context.authToken());
    }

    long size() {
      long head = 3L * Integer.BYTES + METHOD_BYTES.length + FIELD_BYTES;
      long context = FIELD_BYTES + textBytes(requestId) + I32_FIELD_BYTES + textBytes(traceparent)
          + textBytes(authToken) + 1;
      long columns = features.rows() > 0 ? I32_FIELD_BYTES : 0;
      long request = textBytes(modelName) + textBytes(version) + I32_FIELD_BYTES + featureBytes()
          + I32_FIELD_BYTES + context + columns;
      return head + request + 2;
    }

    /** What is empty is the default, and left out. */
    private static int textBytes(byte[] text) {
      return text.length == 0 ? 0 : I32_FIELD_BYTES + text.length;
    }

    @Override
    public int bytes() {
      return (int) size();
    }

    @Override
    public void writeTo(FrameOutput output) throws IOException {
      output.putInt(STRICT_BINARY | TMessageType.CALL).putInt(METHOD_BYTES.length);
      output.put(METHOD_BYTES).putInt(sequence);
      output.putField(TType.STRUCT, 1);
      putText(output, 1, modelName);
      putText(output, 2, version);
      output.putField(TType.STRING, 3).putInt((int) featureBytes()).put(features);
      output.putField(TType.I32, 4).putInt(features.datatype().getValue());
      putContext(output);
      if (features.rows() > 0) {
        output.putField(TType.I32, 6).putInt(features.columns());
      }
      output.put(TType.STOP).put(TType.STOP);
    }

    private void putContext(FrameOutput output) throws IOException {
      output.putField(TType.STRUCT, 5);
      putText(output, 1, requestId);
      output.putField(TType.I32, 2).putInt(deadlineMillis);
      putText(output, 3, traceparent);
      putText(output, 4, authToken);
      output.put(TType.STOP);
    }

    private static void putText(FrameOutput output, int field, byte[] text) throws IOException {
      if (text.length > 0) {
        output.putField(TType.STRING, field).putInt(text.length).put(text);
      }
    }
  }
}
