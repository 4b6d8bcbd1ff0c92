// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ScoreResponse;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TType;

/**
 * What a reply with scores says. Mutable while it is read.
 *
 * <p>Replies in the binary protocol are read here without the generated struct and its copies.
 * Whatever is not plainly a reply with scores is left to the general way, which knows every error.
 */
final class ScoreReply {
  private static final int RESULT_FIELD = 0;

  ByteBuffer scores = ByteBuffer.allocate(0);
  DataType datatype = DataType.FP32;
  long rows;
  int columns;
  String modelVersion = "";
  String requestId;

  static ScoreReply of(ScoreResponse response) {
    ScoreReply reply = new ScoreReply();
    reply.scores = ByteBuffer.wrap(response.getScores());
    reply.datatype = response.getDatatype();
    reply.rows = response.getRows();
    reply.columns = response.getColumns();
    reply.modelVersion = response.getModel_version();
    reply.requestId = response.getRequest_id();
    return reply;
  }

  /** Null if the message, whose head was checked before, is not a plain reply with scores. */
  static ScoreReply ofBinary(byte[] message) {
    ByteBuffer bytes = ByteBuffer.wrap(message);
    ScoreReply reply = new ScoreReply();
    try {
      return reply.readMessage(bytes) ? reply : null;
    } catch (BufferUnderflowException | IllegalArgumentException end) {
      return null;
    }
  }

  private boolean readMessage(ByteBuffer bytes) {
    boolean isReply = (bytes.getInt() & 0xff) == TMessageType.REPLY;
    bytes.position(bytes.position() + Integer.BYTES + bytes.getInt(bytes.position()));
    bytes.getInt();
    return isReply
        && bytes.get() == TType.STRUCT
        && bytes.getShort() == RESULT_FIELD
        && readFields(bytes)
        && bytes.get() == TType.STOP
        && !bytes.hasRemaining();
  }

  private boolean readFields(ByteBuffer bytes) {
    for (byte type = bytes.get(); type != TType.STOP; type = bytes.get()) {
      if (!readField(bytes, type, bytes.getShort())) {
        return false;
      }
    }
    return datatype != null;
  }

  /** False for a field that the contract did not have when this was written. */
  private boolean readField(ByteBuffer bytes, byte type, short id) {
    switch (id << Byte.SIZE | type) {
      case 1 << Byte.SIZE | TType.STRING -> scores = binary(bytes);
      case 2 << Byte.SIZE | TType.I32 -> datatype = DataType.findByValue(bytes.getInt());
      case 3 << Byte.SIZE | TType.I64 -> rows = bytes.getLong();
      case 4 << Byte.SIZE | TType.I32 -> columns = bytes.getInt();
      case 5 << Byte.SIZE | TType.STRING -> modelVersion = text(bytes);
      case 6 << Byte.SIZE | TType.STRING -> requestId = text(bytes);
      default -> {
        return false;
      }
    }
    return true;
  }

  private static ByteBuffer binary(ByteBuffer bytes) {
    int length = bytes.getInt();
    if (length < 0 || length > bytes.remaining()) {
      throw new BufferUnderflowException();
    }
    ByteBuffer value = bytes.slice(bytes.position(), length);
    bytes.position(bytes.position() + length);
    return value;
  }

  private static String text(ByteBuffer bytes) {
    ByteBuffer text = binary(bytes);
    return new String(
        text.array(), text.arrayOffset(), text.remaining(), StandardCharsets.UTF_8);
  }
}
