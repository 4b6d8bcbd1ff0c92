// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;

/**
 * A named tensor of the Open Inference Protocol.
 *
 * @param name the name of an input or output of the model
 * @param datatype type of the elements
 * @param shape extent of each dimension, outermost first
 * @param data the elements, little-endian and row-major; not copied
 */
public record Tensor(String name, DataType datatype, long[] shape, byte[] data) {

  /**
   * Checks that the data has the size that shape and datatype ask for; BYTES is not checked.
   *
   * @throws IllegalArgumentException if it has not
   */
  public Tensor {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(datatype, "datatype");
    if (datatype != DataType.BYTES) {
      requireSize(name, shape, itemBytes(datatype), data.length);
    }
  }

  /**
   * A tensor of rank 2.
   *
   * @param name see {@link #name()}
   * @param matrix the elements, copied
   * @return the tensor
   */
  public static Tensor of(String name, Matrix matrix) {
    long[] shape = {matrix.rows(), matrix.columns()};
    return new Tensor(name, matrix.datatype(), shape, LittleEndian.pack(matrix));
  }

  /**
   * The elements as numbers. 64-bit integers above 2^53 are rounded.
   *
   * @return a flat array, row-major
   * @throws UnsupportedOperationException for FP16 and BYTES
   */
  public double[] toDoubles() {
    int itemBytes = itemBytes(datatype);
    ByteBuffer buffer = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    double[] values = new double[data.length / itemBytes];
    for (int index = 0; index < values.length; index++) {
      values[index] = element(buffer, index * itemBytes);
    }
    return values;
  }

  private double element(ByteBuffer buffer, int offset) {
    return switch (datatype) {
      case BOOL, UINT8 -> Byte.toUnsignedInt(buffer.get(offset));
      case INT8 -> buffer.get(offset);
      case UINT16 -> Short.toUnsignedInt(buffer.getShort(offset));
      case INT16 -> buffer.getShort(offset);
      case UINT32 -> Integer.toUnsignedLong(buffer.getInt(offset));
      case INT32 -> buffer.getInt(offset);
      case UINT64 -> unsigned(buffer.getLong(offset));
      case INT64 -> buffer.getLong(offset);
      case FP32 -> buffer.getFloat(offset);
      case FP64 -> buffer.getDouble(offset);
      case FP16, BYTES -> throw new UnsupportedOperationException(
          "tensor \"" + name + "\" is " + datatype + "; read its data instead");
    };
  }

  private static double unsigned(long bits) {
    double low63 = bits & Long.MAX_VALUE;
    return bits < 0 ? low63 + 0x1p63 : low63;
  }

  private static int itemBytes(DataType datatype) {
    return switch (datatype) {
      case BOOL, UINT8, INT8, BYTES -> 1;
      case UINT16, INT16, FP16 -> 2;
      case UINT32, INT32, FP32 -> 4;
      case UINT64, INT64, FP64 -> 8;
    };
  }

  private static void requireSize(String name, long[] shape, int itemBytes, int received) {
    long expected = itemBytes;
    for (long extent : shape) {
      if (extent < 0) {
        throw new IllegalArgumentException(
            "tensor \"" + name + "\" has a negative extent: " + Arrays.toString(shape));
      }
      // Saturates well above any array's length instead of overflowing.
      expected = Math.min(expected, Integer.MAX_VALUE + 1L) * Math.min(extent, 1L << 31);
    }
    if (expected != received) {
      throw new IllegalArgumentException(
          String.format(
              "tensor \"%s\" of shape %s needs %d bytes, received %d",
              name, Arrays.toString(shape), expected, received));
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Tensor tensor
        && name.equals(tensor.name)
        && datatype == tensor.datatype
        && Arrays.equals(shape, tensor.shape)
        && Arrays.equals(data, tensor.data);
  }

  @Override
  public int hashCode() {
    return 31 * Objects.hash(name, datatype, Arrays.hashCode(shape)) + Arrays.hashCode(data);
  }

  @Override
  public String toString() {
    return name + ": " + datatype + Arrays.toString(shape);
  }
}
