// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Numbers to and from the little-endian bytes of the contract's `binary` tensors. */
final class LittleEndian {
  private LittleEndian() {}

  /** Bytes of one value of FP32 or FP64. */
  static int itemBytes(DataType datatype) {
    return datatype == DataType.FP32 ? Float.BYTES : Double.BYTES;
  }

  /** Bytes of all values of a matrix of FP32 or FP64. */
  static long byteCount(Matrix matrix) {
    return (long) matrix.rows() * matrix.columns() * itemBytes(matrix.datatype());
  }

  /** Appends `count` values of a matrix, from the row-major position `first`, in `bytes`' order. */
  static void put(ByteBuffer bytes, Matrix matrix, long first, int count) {
    if (matrix instanceof FloatMatrix floats) {
      bytes.asFloatBuffer().put(floats.data(), (int) first, count);
    } else if (matrix instanceof DoubleMatrix doubles) {
      bytes.asDoubleBuffer().put(doubles.data(), (int) first, count);
    } else if (matrix instanceof FloatBufferMatrix buffered) {
      bytes.asFloatBuffer().put(0, buffered.values(), (int) first, count);
    } else if (matrix instanceof MatrixSlice slice) {
      put(bytes, slice.whole(), slice.first() + first, count);
      return;
    } else {
      putRows(bytes, matrix, first, count);
      return;
    }
    bytes.position(bytes.position() + count * itemBytes(matrix.datatype()));
  }

  /** Rows that are arrays of their own. */
  private static void putRows(ByteBuffer bytes, Matrix matrix, long first, int count) {
    long end = first + count;
    for (long next = first; next < end; ) {
      int row = (int) (next / matrix.columns());
      int column = (int) (next % matrix.columns());
      int part = (int) Math.min(end - next, matrix.columns() - column);
      if (matrix instanceof FloatRows floats) {
        bytes.asFloatBuffer().put(floats.data()[row], column, part);
      } else {
        bytes.asDoubleBuffer().put(((DoubleRows) matrix).data()[row], column, part);
      }
      bytes.position(bytes.position() + part * itemBytes(matrix.datatype()));
      next += part;
    }
  }

  static byte[] pack(Matrix matrix) {
    int count = Math.multiplyExact(matrix.rows(), matrix.columns());
    ByteBuffer bytes = allocate(count, itemBytes(matrix.datatype()));
    put(bytes, matrix, 0, count);
    return bytes.array();
  }

  static byte[] pack(float[] values) {
    return pack(new FloatMatrix(values, 1, values.length));
  }

  static byte[] pack(double[] values) {
    return pack(new DoubleMatrix(values, 1, values.length));
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
  static Matrix unpack(ByteBuffer bytes, DataType datatype, int rows, int columns) {
    Matrix values = zeros(datatype, rows, columns);
    unpack(bytes, values, 0);
    return values;
  }

  static Matrix zeros(DataType datatype, int rows, int columns) {
    int count = Shapes.size(rows, columns);
    return datatype == DataType.FP32
        ? new FloatMatrix(new float[count], rows, columns)
        : new DoubleMatrix(new double[count], rows, columns);
  }

  /** All of `bytes` into a matrix of its datatype, from the row-major position `first`. */
  static void unpack(ByteBuffer bytes, Matrix target, int first) {
    ByteBuffer source = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    if (target instanceof FloatMatrix floats) {
      source.asFloatBuffer().get(floats.data(), first, source.remaining() / Float.BYTES);
    } else {
      double[] doubles = ((DoubleMatrix) target).data();
      source.asDoubleBuffer().get(doubles, first, source.remaining() / Double.BYTES);
    }
  }

  /** All of `source` to the beginning of `target`, which has the same datatype. */
  static void copy(Matrix source, Matrix target) {
    int count = source.rows() * source.columns();
    if (source instanceof FloatMatrix floats) {
      System.arraycopy(floats.data(), 0, ((FloatMatrix) target).data(), 0, count);
    } else {
      System.arraycopy(
          ((DoubleMatrix) source).data(), 0, ((DoubleMatrix) target).data(), 0, count);
    }
  }

  private static ByteBuffer allocate(int count, int size) {
    int bytes = Math.multiplyExact(count, size);
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
