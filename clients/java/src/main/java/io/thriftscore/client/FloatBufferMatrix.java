// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.nio.FloatBuffer;

/**
 * A matrix of float32 in a buffer, on the heap or outside of it.
 *
 * @param values from position 0 to the limit, row-major; not copied, so it must not change while
 *     the matrix is in use
 * @param rows 0 or more
 * @param columns 0 or more
 */
public record FloatBufferMatrix(FloatBuffer values, int rows, int columns) implements Matrix {

  /**
   * Checks the shape.
   *
   * @throws IllegalArgumentException if there are not rows x columns values
   */
  public FloatBufferMatrix {
    values = values.slice();
    Shapes.requireSize(values.limit(), rows, columns);
  }

  @Override
  public DataType datatype() {
    return DataType.FP32;
  }

  @Override
  public double get(int row, int column) {
    return values.get(Shapes.position(this, row, column));
  }

  @Override
  public String toString() {
    return Shapes.describe(this);
  }
}
