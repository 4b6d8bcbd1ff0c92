// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;

/** Rows of float in arrays of their own, sent as they are. */
record FloatRows(float[][] data) implements Matrix {

  FloatRows {
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
    return DataType.FP32;
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
