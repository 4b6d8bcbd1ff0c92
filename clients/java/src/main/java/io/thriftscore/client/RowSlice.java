// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;

/** Some rows of a matrix, where they are. */
record RowSlice(Matrix whole, int firstRow, int rows) implements Matrix {

  @Override
  public int columns() {
    return whole.columns();
  }

  @Override
  public DataType datatype() {
    return whole.datatype();
  }

  @Override
  public double get(int row, int column) {
    return whole.get(firstRow + row, column);
  }

  @Override
  public String toString() {
    return Shapes.describe(this);
  }
}
