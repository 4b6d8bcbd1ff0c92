// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;

/** Values of a matrix that follow one another, from the row-major position `first`. */
record MatrixSlice(Matrix whole, long first, int rows, int columns) implements Matrix {

  /** Some of its rows. */
  static MatrixSlice ofRows(Matrix whole, int firstRow, int rows) {
    return new MatrixSlice(whole, (long) firstRow * whole.columns(), rows, whole.columns());
  }

  @Override
  public DataType datatype() {
    return whole.datatype();
  }

  @Override
  public double get(int row, int column) {
    long position = first + Shapes.position(this, row, column);
    return whole.get((int) (position / whole.columns()), (int) (position % whole.columns()));
  }

  @Override
  public String toString() {
    return Shapes.describe(this);
  }
}
