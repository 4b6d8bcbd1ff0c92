// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Objects;

/** The checks that shapes have in common. */
final class Shapes {
  private Shapes() {}

  static void requireColumns(int row, int received, int expected) {
    if (received != expected) {
      throw new IllegalArgumentException(
          String.format("row %d has %d values, row 0 has %d", row, received, expected));
    }
  }

  static void requireSize(int received, int rows, int columns) {
    if (rows < 0 || columns < 0 || (long) rows * columns != received) {
      throw new IllegalArgumentException(
          String.format("a %d x %d matrix cannot have %d values", rows, columns, received));
    }
  }

  /** How many values so many rows have. */
  static int size(int rows, int columns) {
    long size = (long) rows * columns;
    if (size > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          String.format(
              "a matrix can have %d values, %d x %d are more", Integer.MAX_VALUE, rows, columns));
    }
    return (int) size;
  }

  /** Row-major position of a value. */
  static int position(Matrix matrix, int row, int column) {
    return Objects.checkIndex(row, matrix.rows()) * matrix.columns()
        + Objects.checkIndex(column, matrix.columns());
  }

  static String describe(Matrix matrix) {
    return String.format("%s[%d x %d]", matrix.datatype(), matrix.rows(), matrix.columns());
  }
}
