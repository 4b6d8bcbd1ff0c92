// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.nio.FloatBuffer;

/** Numbers in rows and columns, row-major, as float32 or float64. */
public sealed interface Matrix
    permits FloatMatrix, DoubleMatrix, FloatBufferMatrix, FloatRows, DoubleRows, MatrixSlice {

  /**
   * The number of rows.
   *
   * @return 0 or more
   */
  int rows();

  /**
   * The number of values in a row.
   *
   * @return 0 or more; 0 also where a matrix without rows does not know its width
   */
  int columns();

  /**
   * The type of the values.
   *
   * @return FP32 or FP64
   */
  DataType datatype();

  /**
   * One value, exact.
   *
   * @param row 0 to rows - 1
   * @param column 0 to columns - 1
   * @return the value
   * @throws IndexOutOfBoundsException if there is no such row or column
   */
  double get(int row, int column);

  /**
   * Copies rows of float32.
   *
   * @param rows rows of one length; may be none
   * @return the matrix
   * @throws IllegalArgumentException if the rows differ in length
   */
  static FloatMatrix of(float[]... rows) {
    int columns = rows.length == 0 ? 0 : rows[0].length;
    float[] data = new float[Math.multiplyExact(rows.length, columns)];
    for (int row = 0; row < rows.length; row++) {
      Shapes.requireColumns(row, rows[row].length, columns);
      System.arraycopy(rows[row], 0, data, row * columns, columns);
    }
    return new FloatMatrix(data, rows.length, columns);
  }

  /**
   * Copies rows of float64.
   *
   * @param rows rows of one length; may be none
   * @return the matrix
   * @throws IllegalArgumentException if the rows differ in length
   */
  static DoubleMatrix of(double[]... rows) {
    int columns = rows.length == 0 ? 0 : rows[0].length;
    double[] data = new double[Math.multiplyExact(rows.length, columns)];
    for (int row = 0; row < rows.length; row++) {
      Shapes.requireColumns(row, rows[row].length, columns);
      System.arraycopy(rows[row], 0, data, row * columns, columns);
    }
    return new DoubleMatrix(data, rows.length, columns);
  }

  /**
   * Takes a buffer as rows, without a copy.
   *
   * @param values the rows one after another, from the buffer's position to its limit
   * @param columns the number of values in a row, 1 or more
   * @return the matrix
   * @throws IllegalArgumentException if the last row is not whole
   */
  static FloatBufferMatrix of(FloatBuffer values, int columns) {
    return new FloatBufferMatrix(values, values.remaining() / Math.max(columns, 1), columns);
  }
}
