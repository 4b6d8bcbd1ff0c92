// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;

/** Rows of double in arrays of their own, sent as they are. */
record DoubleRows(double[][] data) implements Matrix {

  DoubleRows {
    for (int row = 0; row < data.length; row++) {
      Shapes.requireColumns(row, data[row].length, data[0].length);
    }
  }

  @Override
  public int rows() {
    return data.length;
  }

  @Override
  public int columns() {
    return data.length == 0 ? 0 : data[0].length;
  }

  @Override
  public DataType datatype() {
    return DataType.FP64;
  }

  @Override
  public double get(int row, int column) {
    return data[row][column];
  }

  @Override
  public String toString() {
    return Shapes.describe(this);
  }
}
