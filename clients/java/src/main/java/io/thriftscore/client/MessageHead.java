// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.net.ProtocolException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * How a message begins. Not a full check: what follows is read by the call that it is for.
 *
 * @param nameAt where the name of the method begins in the message
 * @param nameBytes how long it is
 */
record MessageHead(byte[] message, int nameAt, int nameBytes, int sequence) {
  private static final int BINARY_VERSION = 0x8001;
  private static final int COMPACT_PROTOCOL = 0x82;
  private static final int COMPACT_VERSION = 1;
  private static final int VARINT_BYTES_MAX = 5;

  static MessageHead of(byte[] message, WireProtocol protocol) throws ProtocolException {
    ByteBuffer bytes = ByteBuffer.wrap(message);
    try {
      return protocol == WireProtocol.BINARY ? binary(bytes) : compact(bytes);
    } catch (BufferUnderflowException end) {
      throw new ProtocolException("malformed message: it ends in its head");
    }
  }

  private static MessageHead binary(ByteBuffer bytes) throws ProtocolException {
    int version = bytes.getInt();
    if (version >>> Short.SIZE != BINARY_VERSION) {
      throw new ProtocolException(
          String.format("malformed message: it begins with %08x, not strict binary", version));
    }
    int nameBytes = requireName(bytes, bytes.getInt());
    int nameAt = bytes.position();
    return new MessageHead(
        bytes.array(), nameAt, nameBytes, bytes.position(nameAt + nameBytes).getInt());
  }

  private static MessageHead compact(ByteBuffer bytes) throws ProtocolException {
    int protocol = Byte.toUnsignedInt(bytes.get());
    int typeAndVersion = Byte.toUnsignedInt(bytes.get());
    if (protocol != COMPACT_PROTOCOL || (typeAndVersion & 0x1f) != COMPACT_VERSION) {
      throw new ProtocolException(
          String.format(
              "malformed message: it begins with %02x%02x, not compact", protocol, typeAndVersion));
    }
    int sequence = varint(bytes);
    int nameBytes = requireName(bytes, varint(bytes));
    return new MessageHead(bytes.array(), bytes.position(), nameBytes, sequence);
  }

  private static int varint(ByteBuffer bytes) throws ProtocolException {
    int value = 0;
    for (int index = 0; index < VARINT_BYTES_MAX; index++) {
      byte part = bytes.get();
      value |= (part & 0x7f) << (7 * index);
      if (part >= 0) {
        return value;
      }
    }
    throw new ProtocolException("malformed message: a number of more than 32 bits");
  }

  private static int requireName(ByteBuffer bytes, int length) throws ProtocolException {
    if (length < 0 || length > bytes.remaining()) {
      throw new ProtocolException(
          "malformed message: a name of " + Integer.toUnsignedLong(length) + " bytes");
    }
    return length;
  }

  /** True for a message of this method, whose name is in ASCII. */
  boolean isOf(String method) {
    if (method.length() != nameBytes) {
      return false;
    }
    for (int index = 0; index < nameBytes; index++) {
      if (message[nameAt + index] != method.charAt(index)) {
        return false;
      }
    }
    return true;
  }

  String name() {
    return new String(message, nameAt, nameBytes, StandardCharsets.ISO_8859_1);
  }
}
