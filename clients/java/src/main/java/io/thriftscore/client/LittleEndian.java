// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers to and from the little-endian bytes of the contract's `binary` tensors. */
final class LittleEndian {
  private LittleEndian() {}

  static byte[] pack(Matrix matrix) {
    if (matrix instanceof FloatMatrix floats) {
      return pack(floats.data());
    }
    return pack(((DoubleMatrix) matrix).data());
  }

  static byte[] pack(float[] values) {
    ByteBuffer bytes = allocate(values.length, Float.BYTES);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  static byte[] pack(double[] values) {
    ByteBuffer bytes = allocate(values.length, Double.BYTES);
    bytes.asDoubleBuffer().put(values);
    return bytes.array();
  }

  static byte[] pack(int[] values) {
    ByteBuffer bytes = allocate(values.length, Integer.BYTES);
    bytes.asIntBuffer().put(values);
    return bytes.array();
  }

  static byte[] pack(long[] values) {
    ByteBuffer bytes = allocate(values.length, Long.BYTES);
    bytes.asLongBuffer().put(values);
    return bytes.array();
  }

  /** `bytes` must hold rows x columns values of FP32 or FP64. */
  static Matrix unpack(byte[] bytes, DataType datatype, int rows, int columns) {
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (datatype == DataType.FP32) {
      float[] values = new float[bytes.length / Float.BYTES];
      buffer.asFloatBuffer().get(values);
      return new FloatMatrix(values, rows, columns);
    }
    double[] values = new double[bytes.length / Double.BYTES];
    buffer.asDoubleBuffer().get(values);
    return new DoubleMatrix(values, rows, columns);
  }

  private static ByteBuffer allocate(int count, int size) {
    int bytes = Math.multiplyExact(count, size);
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
