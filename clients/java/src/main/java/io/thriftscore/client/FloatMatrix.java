// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.util.Arrays;

/**
 * A matrix of float32. Two are equal if their shapes and the bits of their values are.
 *
 * @param data the values, row-major; not copied, so it must not change while the matrix is in use
 * @param rows 0 or more
 * @param columns 0 or more
 */
public record FloatMatrix(float[] data, int rows, int columns) implements Matrix {

  /**
   * Checks the shape.
   *
   * @throws IllegalArgumentException if data does not have rows x columns values
   */
  public FloatMatrix {
    Shapes.requireSize(data.length, rows, columns);
  }

  @Override
  public DataType datatype() {
    return DataType.FP32;
  }

  @Override
  public double get(int row, int column) {
    return data[Shapes.position(this, row, column)];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof FloatMatrix matrix
        && rows == matrix.rows
        && columns == matrix.columns
        && Arrays.equals(data, matrix.data);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * rows + columns) + Arrays.hashCode(data);
  }

  @Override
  public String toString() {
    return Shapes.describe(this);
  }
}
